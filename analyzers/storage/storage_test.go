package storage_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/storage"
)

func TestNoClass(t *testing.T)       { analysistest.Run(t, storage.NoClass, "no-class") }
func TestNoVolume(t *testing.T)      { analysistest.Run(t, storage.NoVolume, "no-volume") }
func TestNoProvisioner(t *testing.T) { analysistest.Run(t, storage.NoProvisioner, "no-provisioner") }
func TestProvisioningFailed(t *testing.T) {
	analysistest.Run(t, storage.ProvisioningFailed, "provisioning-failed")
}
func TestBypassed(t *testing.T)     { analysistest.Run(t, storage.Bypassed, "bypassed") }
func TestMultiAttach(t *testing.T)  { analysistest.Run(t, storage.MultiAttach, "multi-attach") }
func TestAttachFailed(t *testing.T) { analysistest.Run(t, storage.AttachFailed, "attach-failed") }
func TestUnregistered(t *testing.T) { analysistest.Run(t, storage.Unregistered, "unregistered") }
func TestNetwork(t *testing.T)      { analysistest.Run(t, storage.Network, "network") }
func TestPathType(t *testing.T)     { analysistest.Run(t, storage.PathType, "path-type") }
func TestMount(t *testing.T)        { analysistest.Run(t, storage.Mount, "mount") }
func TestSlow(t *testing.T)         { analysistest.Run(t, storage.Slow, "slow") }
func TestTerminating(t *testing.T)  { analysistest.Run(t, storage.Terminating, "terminating") }
func TestResize(t *testing.T)       { analysistest.Run(t, storage.Resize, "resize") }
func TestDiskFull(t *testing.T)     { analysistest.Run(t, storage.DiskFull, "disk-full") }
