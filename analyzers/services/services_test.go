package services_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/services"
)

func TestNoBackend(t *testing.T) { analysistest.Run(t, services.NoBackend, "no-backend") }
func TestManualEndpoints(t *testing.T) {
	analysistest.Run(t, services.ManualEndpoints, "manual-endpoints")
}
func TestSetService(t *testing.T) { analysistest.Run(t, services.SetService, "set-service") }
func TestUnready(t *testing.T)    { analysistest.Run(t, services.Unready, "unready") }
func TestWrongPort(t *testing.T)  { analysistest.Run(t, services.WrongPort, "wrong-port") }
func TestBindsLocalhost(t *testing.T) {
	analysistest.Run(t, services.BindsLocalhost, "binds-localhost")
}
func TestExternalName(t *testing.T) { analysistest.Run(t, services.ExternalName, "external-name") }
func TestLocalTraffic(t *testing.T) { analysistest.Run(t, services.LocalTraffic, "local-traffic") }
func TestPendingLoadBalancer(t *testing.T) {
	analysistest.Run(t, services.PendingLoadBalancer, "pending-load-balancer")
}
func TestUnhealthyTargets(t *testing.T) {
	analysistest.Run(t, services.UnhealthyTargets, "unhealthy-targets")
}
func TestAddressClash(t *testing.T) { analysistest.Run(t, services.AddressClash, "address-clash") }
