package sandbox_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/sandbox"
)

func TestNetwork(t *testing.T)      { analysistest.Run(t, sandbox.Network, "network") }
func TestAddresses(t *testing.T)    { analysistest.Run(t, sandbox.Addresses, "addresses") }
func TestCilium(t *testing.T)       { analysistest.Run(t, sandbox.Cilium, "cilium") }
func TestCgroups(t *testing.T)      { analysistest.Run(t, sandbox.Cgroups, "cgroups") }
func TestHandler(t *testing.T)      { analysistest.Run(t, sandbox.Handler, "handler") }
func TestSandboxImage(t *testing.T) { analysistest.Run(t, sandbox.SandboxImage, "image") }
func TestResolvConf(t *testing.T)   { analysistest.Run(t, sandbox.ResolvConf, "resolv-conf") }
