package gateway_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/gateway"
)

func TestNotProgrammed(t *testing.T) { analysistest.Run(t, gateway.NotProgrammed, "not-programmed") }
func TestNotAccepted(t *testing.T)   { analysistest.Run(t, gateway.NotAccepted, "not-accepted") }
func TestUnresolvedRefs(t *testing.T) {
	analysistest.Run(t, gateway.UnresolvedRefs, "unresolved-refs")
}
