package nodes_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/nodes"
)

func TestSilent(t *testing.T)      { analysistest.Run(t, nodes.Silent, "silent") }
func TestNoNetwork(t *testing.T)   { analysistest.Run(t, nodes.NoNetwork, "no-network") }
func TestRuntimeDown(t *testing.T) { analysistest.Run(t, nodes.RuntimeDown, "runtime-down") }
func TestUnready(t *testing.T)     { analysistest.Run(t, nodes.Unready, "unready") }
func TestRestarting(t *testing.T)  { analysistest.Run(t, nodes.Restarting, "restarting") }
func TestJoining(t *testing.T)     { analysistest.Run(t, nodes.Joining, "joining") }
func TestPressure(t *testing.T)    { analysistest.Run(t, nodes.Pressure, "pressure") }
func TestProblem(t *testing.T)     { analysistest.Run(t, nodes.Problem, "problem") }
func TestServingCert(t *testing.T) { analysistest.Run(t, nodes.ServingCert, "serving-cert") }
func TestUnreached(t *testing.T)   { analysistest.Run(t, nodes.Unreached, "unreached") }
func TestProxyBroken(t *testing.T) { analysistest.Run(t, nodes.ProxyBroken, "proxy-broken") }
func TestVersionSkew(t *testing.T) { analysistest.Run(t, nodes.VersionSkew, "version-skew") }
func TestEndedByShutdown(t *testing.T) {
	analysistest.Run(t, nodes.EndedByShutdown, "ended-by-shutdown")
}
