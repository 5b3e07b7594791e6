package scaling_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/scaling"
)

func TestMetricsServer(t *testing.T) {
	analysistest.Run(t, scaling.MetricsServer, "metrics-server")
}
func TestUnmeasured(t *testing.T) { analysistest.Run(t, scaling.Unmeasured, "unmeasured") }
func TestMissingRequests(t *testing.T) {
	analysistest.Run(t, scaling.MissingRequests, "missing-requests")
}
func TestCustomMetric(t *testing.T)   { analysistest.Run(t, scaling.CustomMetric, "custom-metric") }
func TestMaxedOut(t *testing.T)       { analysistest.Run(t, scaling.MaxedOut, "maxed-out") }
func TestNotScaling(t *testing.T)     { analysistest.Run(t, scaling.NotScaling, "not-scaling") }
func TestTarget(t *testing.T)         { analysistest.Run(t, scaling.Target, "target") }
func TestFight(t *testing.T)          { analysistest.Run(t, scaling.Fight, "fight") }
func TestVertical(t *testing.T)       { analysistest.Run(t, scaling.Vertical, "vertical") }
func TestNoScaleUp(t *testing.T)      { analysistest.Run(t, scaling.NoScaleUp, "no-scale-up") }
func TestNotProvisioned(t *testing.T) { analysistest.Run(t, scaling.NotProvisioned, "not-provisioned") }
func TestScaleDownBlocked(t *testing.T) {
	analysistest.Run(t, scaling.ScaleDownBlocked, "scale-down-blocked")
}
