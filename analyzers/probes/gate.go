package probes

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	// A controller that is there sets its condition within seconds, at first to False; a
	// load balancer then takes a minute or two to call the pod healthy.
	gateUntouched, gateWorking, gateOverdue = 5 * time.Second, time.Minute, 3 * time.Minute
)

// GatePending reports pods whose containers are all ready and which still get no traffic,
// because a condition that they name as a readiness gate is not True. Only the controller
// of that condition can set it.
var GatePending = &analyzers.Analyzer{
	Name:  "probes/gate-pending",
	Doc:   "pods whose containers are ready and that wait for a readiness gate",
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{gatePending},
	Run: func(p *analyzers.Pass) error {
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if pod.DeletionTimestamp == nil && !cluster.PodFinished(pod) && !cluster.PodReady(pod) {
				for _, gate := range pod.Spec.ReadinessGates {
					reportGate(p, pod, gate.ConditionType)
				}
			}
		}
		return nil
	},
}

func reportGate(p *analyzers.Pass, pod *corev1.Pod, gate corev1.PodConditionType) {
	ready := cluster.PodCondition(pod, corev1.ContainersReady)
	if ready == nil || ready.Status != corev1.ConditionTrue {
		return // the containers come first
	}
	c := cluster.PodCondition(pod, gate)
	if c != nil && c.Status == corev1.ConditionTrue {
		return
	}
	waits := p.Since(ready.LastTransitionTime.Time)
	if c == nil && waits < gateUntouched || c != nil && waits < gateWorking {
		return
	}
	if _, came := p.Regression(pod); came && waits < gateOverdue {
		return // a rolling update goes on while the old pods serve
	}
	ref := cluster.RefOf(pod).String()
	f := analyzers.Finding{Code: gatePending, Subject: p.Root(pod), Part: string(gate), Affected: []analyzers.Ref{cluster.RefOf(pod)}}
	what := "which nothing has set"
	if c != nil {
		what = "which is " + string(c.Status)
		if c.Reason != "" {
			what += " (" + c.Reason + ")"
		} else if c.Message != "" {
			what += " (" + c.Message + ")"
		}
	}
	f.Summary = analyzers.Line(fmt.Sprintf("Its pods are ready except for readiness gate %s, %s", gate, what), analyzers.MaxSummary)
	if r := cluster.PodCondition(pod, corev1.PodReady); r != nil {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref, Path: "status.conditions[Ready]", Quote: strings.TrimSpace(r.Reason + ": " + r.Message), At: r.LastTransitionTime.Time})
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref, Path: "status.conditions[ContainersReady]", Quote: "ContainersReady: True", At: ready.LastTransitionTime.Time})
	if c != nil {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref, Path: "status.conditions[" + string(gate) + "]", Quote: strings.TrimSpace(string(gate) + ": " + string(c.Status) + " " + c.Reason + " " + c.Message), At: c.LastTransitionTime.Time})
	}
	if waits < gateOverdue {
		f.Severity = analyzers.Warning
	}
	f.Fixes = gateFixes(p, f.Subject, gate)
	p.Report(f)
}

// gateFixes: the well-known gates of load balancers, else the way to find the controller.
func gateFixes(p *analyzers.Pass, subject analyzers.Ref, gate corev1.PodConditionType) []analyzers.Fix {
	switch {
	case strings.Contains(string(gate), "elbv2.k8s.aws"):
		return []analyzers.Fix{{Why: "Show why the load balancer controller does not register the pods or calls them unhealthy", Argv: p.Kubectl("kube-system", "logs", "deployment/aws-load-balancer-controller", "--tail=100")},
			{Why: "Show the target group bindings and their health checks", Argv: p.Kubectl(subject.Namespace, "describe", "targetgroupbindings")}}
	case strings.Contains(string(gate), "load-balancer-neg-ready"):
		return []analyzers.Fix{{Why: "Show the Services of the network endpoint groups and the events of their controller", Argv: p.Kubectl(subject.Namespace, "describe", "services")}}
	}
	why := fmt.Sprintf("Remove the gate from the template, if no controller sets %s any more", gate)
	return []analyzers.Fix{{Why: why, Argv: p.Kubectl(subject.Namespace, "edit", subject.Short())}}
}
