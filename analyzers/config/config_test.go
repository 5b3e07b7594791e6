package config_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/config"
)

func TestMissingSource(t *testing.T) { analysistest.Run(t, config.MissingSource, "missing-source") }
func TestMissingKey(t *testing.T)    { analysistest.Run(t, config.MissingKey, "missing-key") }
func TestMissingVolumeSource(t *testing.T) {
	analysistest.Run(t, config.MissingVolumeSource, "missing-volume-source")
}
func TestRunAsNonRoot(t *testing.T) { analysistest.Run(t, config.RunAsNonRoot, "run-as-non-root") }
func TestCommandNotFound(t *testing.T) {
	analysistest.Run(t, config.CommandNotFound, "command-not-found")
}
func TestSubPath(t *testing.T)    { analysistest.Run(t, config.SubPath, "sub-path") }
func TestHookFailed(t *testing.T) { analysistest.Run(t, config.HookFailed, "hook-failed") }
func TestServiceEnvironment(t *testing.T) {
	analysistest.Run(t, config.ServiceEnvironment, "service-environment")
}
func TestStaleConfig(t *testing.T) { analysistest.Run(t, config.StaleConfig, "stale") }
func TestUnstarted(t *testing.T)   { analysistest.Run(t, config.Unstarted, "unstarted") }
