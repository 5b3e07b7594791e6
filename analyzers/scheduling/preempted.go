package scheduling

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Preempted finds pods that wait because those before them had to leave for pods of
// higher priority.
var Preempted = &analyzers.Analyzer{
	Name: "scheduling/preempted",
	Doc: `pods that had to leave for others of higher priority and find no new place

Only while the others are there, and the pod would fit without them.`,
	Needs: []schema.GroupKind{
		cluster.Pods, cluster.Nodes, cluster.Events, cluster.Namespaces,
		cluster.PersistentVolumeClaims, cluster.PersistentVolumes, cluster.StorageClasses,
	},
	Emits: []analyzers.Code{preempted},
	Run:   runPreempted,
}

func runPreempted(p *analyzers.Pass) error {
	if !slices.ContainsFunc(p.Objects(cluster.Events), func(o cluster.Object) bool { return o.(*corev1.Event).Reason == "Preempted" }) {
		return nil
	}
	eachWaiting(p, func(q *inquiry) (analyzers.Finding, bool) {
		if !q.sure || q.v.kind != byRoom || q.passing() {
			return analyzers.Finding{}, false
		}
		if x := q.preemptor(); x != nil {
			return q.preemptedFinding(x), true
		}
		return analyzers.Finding{}, false
	})
	return nil
}

// A preemption is a pod that took the place of one that the pending pod replaces.
type preemption struct {
	event *corev1.Event
	node  string
	by    *corev1.Pod // nil when it is not visible
}

// preemptedBy matches the event on the victim: "Preempted by pod <uid> on node <node>"
// (k8s.io/kubernetes pkg/scheduler/framework/preemption/executor.go); releases before
// 1.26 wrote "Preempted by <namespace>/<name> on node <node>".
var preemptedBy = regexp.MustCompile(`^Preempted by (?:a )?(?:pod )?(\S+) on node (\S+)`)

// replaced is how long after a preemption a new pod is its consequence.
const replaced = 10 * time.Minute

// preemptor returns the preemption behind the pod's wait, if it still stands: the pod
// that took the place is there, and without it this one would fit.
func (q *inquiry) preemptor() *preemption {
	for ev := range cluster.In[*corev1.Event](q.Snapshot, q.pod.Namespace) {
		victim := ev.InvolvedObject
		if ev.Reason != "Preempted" || victim.Kind != "Pod" || victim.UID == q.pod.UID {
			continue
		}
		alike := victim.Name == q.pod.Name || q.pod.GenerateName != "" && strings.HasPrefix(victim.Name, q.pod.GenerateName)
		age := q.pod.CreationTimestamp.Sub(cluster.EventTime(ev))
		m := preemptedBy.FindStringSubmatch(ev.Message)
		if !alike || m == nil || age > replaced || age < -time.Minute {
			continue
		}
		x := &preemption{event: ev, node: m[2]}
		if n := q.ev.byName[x.node]; n != nil {
			for _, pod := range n.pods {
				if string(pod.UID) == m[1] || pod.Namespace+"/"+pod.Name == m[1] {
					x.by = pod
				}
			}
			if x.by != nil && len(q.ev.request(q.pod, map[*corev1.Pod]bool{x.by: true}).row(n).Rejections) == 0 {
				return x
			}
		}
		if x.by == nil && !q.ev.seesPods {
			return x
		}
	}
	return nil
}

func (q *inquiry) preemptedFinding(x *preemption) analyzers.Finding {
	other := "a pod of higher priority"
	evidence := []analyzers.Evidence{{Source: "Event on Pod " + x.event.InvolvedObject.Namespace + "/" + x.event.InvolvedObject.Name, Path: x.event.Reason, Quote: x.event.Message, At: cluster.EventTime(x.event)}}
	if x.by != nil {
		other = fmt.Sprintf("%s (priority %d, its own is %d)", q.Root(x.by), priority(x.by), priority(q.pod))
		evidence = append(evidence, analyzers.Evidence{Source: cluster.RefOf(x.by).String(), Path: "spec.priority", Quote: fmt.Sprintf("priority: %d %s", priority(x.by), x.by.Spec.PriorityClassName)})
	}
	evidence = append(evidence, analyzers.Evidence{Source: cluster.RefOf(q.pod).String(), Path: "spec.priority", Quote: fmt.Sprintf("priority: %d %s", priority(q.pod), q.pod.Spec.PriorityClassName)}, q.roomEvidence())
	f := analyzers.Finding{
		Code: preempted, Evidence: evidence,
		Summary: fmt.Sprintf("Pod had to leave node %s for %s and finds no room elsewhere", x.node, other),
		Fixes: []analyzers.Fix{
			{Why: "Give the workload a priority class as high as the other's, if it matters as much; the command shows them", Argv: q.Kubectl("", "get", "priorityclasses")},
			{Why: "Add a node, so that both have room"},
		},
	}
	if !q.served() {
		f.Severity = analyzers.Error
	}
	return f
}

// served reports whether a pod of the workload is ready.
func (q *inquiry) served() bool {
	if q.owner == nil {
		return false
	}
	for _, pod := range q.PodsOf(q.owner) {
		if cluster.PodReady(pod) {
			return true
		}
	}
	return false
}
