package dns_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/dns"
)

func TestBypass(t *testing.T)      { analysistest.Run(t, dns.Bypass, "bypass") }
func TestConfigError(t *testing.T) { analysistest.Run(t, dns.ConfigError, "config-error") }
func TestCrashLoop(t *testing.T)   { analysistest.Run(t, dns.CrashLoop, "crash-loop") }
func TestDangling(t *testing.T)    { analysistest.Run(t, dns.Dangling, "dangling") }
func TestDown(t *testing.T)        { analysistest.Run(t, dns.Down, "down") }
func TestNodeLocal(t *testing.T)   { analysistest.Run(t, dns.NodeLocal, "node-local") }
func TestPending(t *testing.T)     { analysistest.Run(t, dns.Pending, "pending") }
func TestPodName(t *testing.T)     { analysistest.Run(t, dns.PodName, "pod-name") }
func TestResolvConf(t *testing.T)  { analysistest.Run(t, dns.ResolvConf, "resolv-conf") }
func TestServiceName(t *testing.T) { analysistest.Run(t, dns.ServiceName, "service-name") }
func TestUpstream(t *testing.T)    { analysistest.Run(t, dns.Upstream, "upstream") }
