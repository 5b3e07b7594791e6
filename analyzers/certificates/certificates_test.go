package certificates_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/certificates"
)

func TestNotReady(t *testing.T)  { analysistest.Run(t, certificates.NotReady, "not-ready") }
func TestIssuer(t *testing.T)    { analysistest.Run(t, certificates.Issuer, "issuer") }
func TestChallenge(t *testing.T) { analysistest.Run(t, certificates.Challenge, "challenge") }
func TestOrder(t *testing.T)     { analysistest.Run(t, certificates.Order, "order") }
func TestWebhook(t *testing.T)   { analysistest.Run(t, certificates.Webhook, "webhook") }
