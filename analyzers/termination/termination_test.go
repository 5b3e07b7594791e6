package termination_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/termination"
)

func TestEvicted(t *testing.T)   { analysistest.Run(t, termination.Evicted, "evicted") }
func TestFinalizer(t *testing.T) { analysistest.Run(t, termination.Finalizer, "finalizer") }
func TestPod(t *testing.T)       { analysistest.Run(t, termination.Pod, "pod") }
func TestNamespace(t *testing.T) { analysistest.Run(t, termination.Namespace, "namespace") }
func TestPreStop(t *testing.T)   { analysistest.Run(t, termination.PreStop, "pre-stop") }
