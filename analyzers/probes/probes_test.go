package probes_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/probes"
)

func TestBindsLocalhost(t *testing.T) { analysistest.Run(t, probes.BindsLocalhost, "binds-localhost") }
func TestExecProbe(t *testing.T)      { analysistest.Run(t, probes.ExecProbe, "exec-probe") }
func TestGatePending(t *testing.T)    { analysistest.Run(t, probes.GatePending, "gate-pending") }
func TestLivenessKills(t *testing.T)  { analysistest.Run(t, probes.LivenessKills, "liveness-kills") }
func TestReadinessFailing(t *testing.T) {
	analysistest.Run(t, probes.ReadinessFailing, "readiness-failing")
}
