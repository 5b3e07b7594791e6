package controlplane_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/controlplane"
)

func TestAPIService(t *testing.T) { analysistest.Run(t, controlplane.APIService, "api-service") }
func TestControllerManager(t *testing.T) {
	analysistest.Run(t, controlplane.ControllerManager, "controller-manager")
}
func TestFrozen(t *testing.T)     { analysistest.Run(t, controlplane.Frozen, "frozen") }
func TestReadyz(t *testing.T)     { analysistest.Run(t, controlplane.Readyz, "readyz") }
func TestEtcd(t *testing.T)       { analysistest.Run(t, controlplane.Etcd, "etcd") }
func TestOverload(t *testing.T)   { analysistest.Run(t, controlplane.Overload, "overload") }
func TestExpired(t *testing.T)    { analysistest.Run(t, controlplane.Expired, "expired-certificate") }
func TestCABundle(t *testing.T)   { analysistest.Run(t, controlplane.CABundle, "ca-bundle") }
func TestAPIVersion(t *testing.T) { analysistest.Run(t, controlplane.APIVersion, "api-version") }
func TestTooLarge(t *testing.T)   { analysistest.Run(t, controlplane.TooLarge, "too-large") }
