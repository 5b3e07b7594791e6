package scheduling

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Gated finds pods that the scheduler does not look at, as nobody has removed their gate.
var Gated = &analyzers.Analyzer{
	Name: "scheduling/gated",
	Doc: `pods whose scheduling gate nobody removes

A young gate, and one of Kueue, which queues pods by design, is worth an info.`,
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{schedulingGated},
	Run:   runGated,
}

// gateTime is how long a controller may take to remove its gate before that is odd.
// Until then the gate is only worth knowing of.
const gateTime = 5 * time.Minute

func runGated(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if len(pod.Spec.SchedulingGates) == 0 || pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || cluster.PodFinished(pod) {
			continue
		}
		age := p.Since(pod.CreationTimestamp.Time)
		queued := strings.HasPrefix(pod.Spec.SchedulingGates[0].Name, "kueue.x-k8s.io/")
		// Kueue holds pods back by design, for as long as the quota is used up.
		if queued && age < gateTime {
			continue
		}
		p.Report(gatedFinding(p, pod, queued, age))
	}
	return nil
}

func gatedFinding(p *analyzers.Pass, pod *corev1.Pod, queued bool, age time.Duration) analyzers.Finding {
	names := make([]string, len(pod.Spec.SchedulingGates))
	for i, g := range pod.Spec.SchedulingGates {
		names[i] = g.Name
	}
	q := &inquiry{Pass: p, pod: pod, root: p.Root(pod), owner: p.RootObject(pod)}
	domain, _, _ := strings.Cut(names[0], "/")
	f := analyzers.Finding{
		Code: schedulingGated, Severity: analyzers.Info, Subject: q.root, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary:  fmt.Sprintf("Pod waits for scheduling gate %s, which the controller of %s has to remove", some(names, 2), domain),
		Evidence: []analyzers.Evidence{{Source: cluster.RefOf(pod).String(), Path: "spec.schedulingGates", Quote: "schedulingGates: " + some(names, 4), At: pod.CreationTimestamp.Time}},
	}
	if c := cluster.PodCondition(pod, corev1.PodScheduled); c != nil && c.Message != "" {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status.conditions[PodScheduled]", Quote: c.Message, At: c.LastTransitionTime.Time})
	}
	if queued {
		f.Summary = "Pod waits for Kueue to admit it: " + some(names, 2)
		f.Fixes = []analyzers.Fix{{Why: "Show what the queue waits for", Argv: p.Kubectl(pod.Namespace, "get", "workloads.kueue.x-k8s.io")}}
		return f
	}
	if age >= gateTime {
		f.Severity = schedulingGated.Severity
	}
	f.Fixes = []analyzers.Fix{
		{Why: fmt.Sprintf("Check whether the controller that removes gates of %s runs, and read its log", domain), Argv: p.Kubectl("", "get", "pods", "--all-namespaces")},
		q.change("Remove the gate from the template, if there is no such controller", map[string]any{"schedulingGates": nil}),
	}
	return f
}
