package netpol_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/netpol"
)

func TestCutOff(t *testing.T)         { analysistest.Run(t, netpol.CutOff, "cut-off") }
func TestBlocksDNS(t *testing.T)      { analysistest.Run(t, netpol.BlocksDNS, "blocks-dns") }
func TestIngressCutOff(t *testing.T)  { analysistest.Run(t, netpol.IngressCutOff, "ingress-cut-off") }
func TestWebhookCutOff(t *testing.T)  { analysistest.Run(t, netpol.WebhookCutOff, "webhook-cut-off") }
func TestSelectsNothing(t *testing.T) { analysistest.Run(t, netpol.SelectsNothing, "selects-nothing") }
func TestNotEnforced(t *testing.T)    { analysistest.Run(t, netpol.NotEnforced, "not-enforced") }
func TestCiliumInvalid(t *testing.T)  { analysistest.Run(t, netpol.CiliumInvalid, "cilium-invalid") }
