package scheduling_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/scheduling"
)

func TestUnschedulable(t *testing.T) { analysistest.Run(t, scheduling.Unschedulable, "unschedulable") }
func TestGated(t *testing.T)         { analysistest.Run(t, scheduling.Gated, "gated") }
func TestPreempted(t *testing.T)     { analysistest.Run(t, scheduling.Preempted, "preempted") }
func TestRejected(t *testing.T)      { analysistest.Run(t, scheduling.Rejected, "rejected") }
func TestNoScheduler(t *testing.T)   { analysistest.Run(t, scheduling.NoScheduler, "no-scheduler") }
func TestDaemonSet(t *testing.T)     { analysistest.Run(t, scheduling.DaemonNotScheduled, "daemonset") }
