package crashes_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/crashes"
)

func TestAppError(t *testing.T)       { analysistest.Run(t, crashes.AppError, "app-error") }
func TestDependencyDown(t *testing.T) { analysistest.Run(t, crashes.DependencyDown, "dependency-down") }
func TestExecFormat(t *testing.T)     { analysistest.Run(t, crashes.ExecFormat, "exec-format") }
func TestExitsZero(t *testing.T)      { analysistest.Run(t, crashes.ExitsZero, "exits-zero") }
func TestInitFailing(t *testing.T)    { analysistest.Run(t, crashes.InitFailing, "init-failing") }
func TestInitStuck(t *testing.T)      { analysistest.Run(t, crashes.InitStuck, "init-stuck") }
func TestKilled(t *testing.T)         { analysistest.Run(t, crashes.Killed, "killed") }
func TestOOMKilled(t *testing.T)      { analysistest.Run(t, crashes.OOMKilled, "oom-killed") }
func TestOpenFiles(t *testing.T)      { analysistest.Run(t, crashes.OpenFiles, "open-files") }
func TestPermissionDenied(t *testing.T) {
	analysistest.Run(t, crashes.PermissionDenied, "permission-denied")
}
func TestPortTaken(t *testing.T)     { analysistest.Run(t, crashes.PortTaken, "port-taken") }
func TestSegfault(t *testing.T)      { analysistest.Run(t, crashes.Segfault, "segfault") }
func TestSidecarBlocks(t *testing.T) { analysistest.Run(t, crashes.SidecarBlocks, "sidecar-blocks") }
