package rollouts_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/rollouts"
)

func TestDeadline(t *testing.T)    { analysistest.Run(t, rollouts.Deadline, "deadline") }
func TestPaused(t *testing.T)      { analysistest.Run(t, rollouts.Paused, "paused") }
func TestRecreate(t *testing.T)    { analysistest.Run(t, rollouts.Recreate, "recreate") }
func TestStatefulSet(t *testing.T) { analysistest.Run(t, rollouts.StatefulSet, "stateful-set") }
func TestDaemonSet(t *testing.T)   { analysistest.Run(t, rollouts.DaemonSet, "daemon-set") }
func TestDisruptionBudget(t *testing.T) {
	analysistest.Run(t, rollouts.DisruptionBudget, "disruption-budget")
}
func TestReplicaFailure(t *testing.T) {
	analysistest.Run(t, rollouts.ReplicaFailure, "replica-failure")
}
func TestQuota(t *testing.T)       { analysistest.Run(t, rollouts.Quota, "quota") }
func TestLimits(t *testing.T)      { analysistest.Run(t, rollouts.Limits, "limits") }
func TestInvalid(t *testing.T)     { analysistest.Run(t, rollouts.Invalid, "invalid") }
func TestPodSecurity(t *testing.T) { analysistest.Run(t, rollouts.PodSecurity, "pod-security") }
func TestPolicy(t *testing.T)      { analysistest.Run(t, rollouts.Policy, "policy") }
func TestServiceAccount(t *testing.T) {
	analysistest.Run(t, rollouts.ServiceAccount, "service-account")
}
func TestPriorityClass(t *testing.T) { analysistest.Run(t, rollouts.PriorityClass, "priority-class") }
func TestWebhook(t *testing.T)       { analysistest.Run(t, rollouts.Webhook, "webhook") }
