package ingress_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/ingress"
)

func TestMissingBackend(t *testing.T) {
	analysistest.Run(t, ingress.MissingBackend, "missing-backend")
}
func TestNoEndpoints(t *testing.T)   { analysistest.Run(t, ingress.NoEndpoints, "no-endpoints") }
func TestUnserved(t *testing.T)      { analysistest.Run(t, ingress.Unserved, "unserved") }
func TestConflict(t *testing.T)      { analysistest.Run(t, ingress.Conflict, "conflict") }
func TestDefaultCert(t *testing.T)   { analysistest.Run(t, ingress.DefaultCert, "default-cert") }
func TestIgnored(t *testing.T)       { analysistest.Run(t, ingress.Ignored, "ignored-annotation") }
func TestNoMatch(t *testing.T)       { analysistest.Run(t, ingress.NoMatch, "no-match") }
func TestRedirectLoop(t *testing.T)  { analysistest.Run(t, ingress.RedirectLoop, "redirect-loop") }
func TestUpstream(t *testing.T)      { analysistest.Run(t, ingress.Upstream, "upstream") }
func TestWrongProtocol(t *testing.T) { analysistest.Run(t, ingress.WrongProtocol, "wrong-protocol") }
func TestCloudDenied(t *testing.T)   { analysistest.Run(t, ingress.CloudDenied, "cloud-denied") }
