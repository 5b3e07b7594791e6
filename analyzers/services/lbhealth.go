package services

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// UnhealthyTargets finds pods that a cloud's load balancer calls unhealthy. Clouds tell
// the cluster only where pods have a readiness gate for it.
var UnhealthyTargets = &analyzers.Analyzer{
	Name:  "services/unhealthy-targets",
	Doc:   `pods that are ready and that a cloud load balancer calls unhealthy`,
	Needs: []schema.GroupKind{cluster.Services, cluster.Pods},
	Emits: []analyzers.Code{lbUnhealthy},
	Run:   unhealthyTargets,
}

// registerTime is what a load balancer may take to register a new target and to check it
// for the first times.
const registerTime = 5 * time.Minute

func unhealthyTargets(p *analyzers.Pass) error {
	for svc := range cluster.Scoped[*corev1.Service](p.Snapshot) {
		if len(svc.Spec.Selector) == 0 {
			continue
		}
		for _, pod := range selected(p.Snapshot, svc) {
			gate, ok := failedGate(p.Snapshot, pod)
			if !ok {
				continue
			}
			p.Report(analyzers.Finding{
				Code:     lbUnhealthy,
				Subject:  cluster.RefOf(svc),
				Affected: []analyzers.Ref{cluster.RefOf(pod)},
				Summary:  fmt.Sprintf("Load balancer calls pods of %s %s unhealthy that are ready inside the cluster: %s", p.Root(pod).Kind, p.Root(pod).Name, gate.Reason),
				Evidence: []analyzers.Evidence{
					{Source: cluster.RefOf(pod).String(), Path: "status.conditions[" + string(gate.Type) + "]", Quote: analyzers.QuoteHead(strings.TrimSpace(gate.Reason + " " + gate.Message)), At: gate.LastTransitionTime.Time},
					{Source: cluster.RefOf(pod).String(), Path: "status.conditions[ContainersReady]", Quote: "ContainersReady: True"},
				},
				// Where the pods' gate has a finding of its own, this one says what it
				// does to the Service.
				CausedBy: []analyzers.Ref{p.Root(pod)},
				Fixes: []analyzers.Fix{{
					Why:  "Show the Service's health check annotations, which must name a path and port that the pods answer",
					Argv: p.Kubectl(svc.Namespace, "get", "service", svc.Name, "-o", "yaml"),
				}},
			})
		}
	}
	return nil
}

// failedGate returns the gate of a load balancer that keeps a pod from being ready. The
// AWS Load Balancer Controller writes the target's health as the reason, from Target.* of
// the Elastic Load Balancing API; Elb.RegistrationInProgress and Elb.InitialHealthChecking
// are the start of every target.
func failedGate(s *cluster.Snapshot, pod *corev1.Pod) (*corev1.PodCondition, bool) {
	containers := cluster.PodCondition(pod, corev1.ContainersReady)
	if containers == nil || containers.Status != corev1.ConditionTrue {
		return nil, false
	}
	for _, gate := range pod.Spec.ReadinessGates {
		t := string(gate.ConditionType)
		if !strings.HasPrefix(t, "target-health.elbv2.k8s.aws/") && t != "cloud.google.com/load-balancer-neg-ready" {
			continue
		}
		c := cluster.PodCondition(pod, gate.ConditionType)
		if c == nil || c.Status == corev1.ConditionTrue {
			continue
		}
		if strings.HasPrefix(c.Reason, "Target.") || s.Since(containers.LastTransitionTime.Time) > registerTime {
			return c, true
		}
	}
	return nil, false
}
