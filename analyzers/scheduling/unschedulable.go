package scheduling

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unschedulable finds pods that no node takes, and says which filter decides.
var Unschedulable = &analyzers.Analyzer{
	Name: "scheduling/unschedulable",
	Doc: `pods that no node takes, and the filter that decides

It repeats the scheduler's filters over the objects and reports the one that the pod
could be helped with. Taints of the control plane and of nodes for others, cordons and
full nodes where the pod would not fit anyhow are not blamed. Pods that only wait for
others to leave, for a volume that is being made or for a rollout to go on are silent.`,
	Needs: []schema.GroupKind{
		cluster.Pods, cluster.Nodes, cluster.Events, cluster.Namespaces,
		cluster.PersistentVolumeClaims, cluster.PersistentVolumes, cluster.StorageClasses,
	},
	Emits: []analyzers.Code{
		insufficient, maxPods, podOverhead, gpuNotAvailable, selectorMismatch, untoleratedTaint, nodeCordoned, affinity, spreadMismatch,
		zoneConflict, unboundClaim, hostPortConflict, surgeNoCapacity, claimUnallocated,
	},
	Run: runUnschedulable,
}

// unsaid is how long a pod may wait for the scheduler's first word. Once the scheduler
// has said that no node fits, and the objects say so too, there is nothing to wait for.
const unsaid = 10 * time.Second

func runUnschedulable(p *analyzers.Pass) error {
	eachWaiting(p, func(q *inquiry) (analyzers.Finding, bool) {
		if q.passing() {
			return analyzers.Finding{}, false
		}
		return q.finding()
	})
	return nil
}

// eachWaiting asks about each pod that waits for a node and reports the answer. Pods
// that are alike, and of which the scheduler says the same, are asked about once.
func eachWaiting(p *analyzers.Pass, ask func(*inquiry) (analyzers.Finding, bool)) {
	type answer struct {
		finding analyzers.Finding
		ok      bool
	}
	var ev *evaluator
	answers := map[string]answer{}
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		// A DaemonSet's pod is meant for one node: that is another question (daemonset.go).
		if !waits(p.Snapshot, pod) || controllerKind(pod) == "DaemonSet" {
			continue
		}
		if ev == nil {
			ev = newEvaluator(p.Snapshot)
		}
		q := &inquiry{Pass: p, ev: ev, pod: pod, root: p.Root(pod), owner: p.RootObject(pod)}
		q.words, q.said = wordsAbout(p.Snapshot, pod)
		key := likeness(pod)
		a, known := answers[key+"\x00"+q.words.text]
		if key == "" || !known {
			if q.look() {
				a.finding, a.ok = ask(q)
			}
			answers[key+"\x00"+q.words.text] = a
		}
		if a.ok {
			p.Report(q.complete(a.finding))
		}
	}
}

// waits reports whether the scheduler owes the pod a node. Gated pods wait for somebody
// else; those of a ReplicaSet that is scaled to zero are about to go.
func waits(s *cluster.Snapshot, pod *corev1.Pod) bool {
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || cluster.PodFinished(pod) || len(pod.Spec.SchedulingGates) > 0 {
		return false
	}
	if _, owner, ok := s.Owner(pod); ok {
		if rs, ok := owner.(*appsv1.ReplicaSet); ok && rs.Spec.Replicas != nil && *rs.Spec.Replicas == 0 {
			return false
		}
	}
	return turnedDown(pod) || s.Since(pod.CreationTimestamp.Time) > unsaid
}

// turnedDown reports whether the scheduler has tried and found no node.
func turnedDown(pod *corev1.Pod) bool {
	c := cluster.PodCondition(pod, corev1.PodScheduled)
	return c != nil && c.Status == corev1.ConditionFalse && c.Reason != corev1.PodReasonSchedulingGated
}

func controllerKind(pod *corev1.Pod) string {
	for _, o := range pod.OwnerReferences {
		if o.Controller != nil && *o.Controller {
			return o.Kind
		}
	}
	return ""
}

// An inquiry is one pending pod with all that is known of it.
type inquiry struct {
	*analyzers.Pass
	ev    *evaluator
	pod   *corev1.Pod
	root  analyzers.Ref
	owner cluster.Object // the workload behind root; nil when the Snapshot lacks it
	words words
	said  bool // the scheduler's words are known
	r     *request
	e     *Explanation
	v     verdict
	sure  bool // the objects alone show that no node fits
}

// look evaluates the filters; false means that there is nothing to say.
func (q *inquiry) look() bool {
	q.r = q.ev.request(q.pod, nil)
	q.delegate()
	q.e = q.ev.evaluate(q.r)
	q.v, q.sure = decide(q.e)
	if !q.ev.seesNodes {
		q.sure = q.sure && q.v.kind == byClaim
		return q.sure || q.said
	}
	if q.sure && q.said && q.contradicted() {
		q.sure = false
	}
	// A node could take the pod: only what the scheduler says is left to report, unless
	// it said so before things changed.
	return q.sure || q.said && !q.words.refuted(q.e)
}

// delegate leaves devices out of the request that no node offers and the scheduler does
// not miss: a DeviceClass may stand behind their name (k8s.io/kubernetes
// pkg/scheduler/framework/plugins/noderesources/fit.go, shouldDelegateResourceToDRA).
func (q *inquiry) delegate() {
	if !q.said || len(q.words.counts) == 0 {
		return
	}
	for name := range q.r.wants {
		offered := slices.ContainsFunc(q.ev.nodes, func(n *nodeState) bool { return n.offers[name] > 0 })
		if isDevice(name) && !offered && !q.words.names("Insufficient "+string(name)) {
			delete(q.r.wants, name)
		}
	}
}

// contradicted reports whether the scheduler, of the same nodes, does not name at all
// the filter that the objects speak of: then they do not tell the whole story.
func (q *inquiry) contradicted() bool {
	if q.v.kind == byClaim || len(q.words.counts) == 0 || q.words.refuted(q.e) {
		return false
	}
	first := map[Filter]bool{}
	for _, row := range q.v.rows {
		first[row.Rejections[0].Filter] = true
	}
	for reason := range q.words.counts {
		if f, _, ok := filterOf(reason); !ok || first[f] {
			return false
		}
	}
	return true
}

// passing reports whether the pod only has to wait a little: for pods that are leaving,
// for a node that the scheduler makes room on, for a volume that is being made, for a
// rollout that will take an old pod away.
func (q *inquiry) passing() bool {
	fresh := q.Since(q.pod.CreationTimestamp.Time) < time.Minute
	if q.pod.Status.NominatedNodeName != "" && (fresh || !q.sure) {
		return true // the scheduler is making room for it
	}
	if !q.sure {
		// A pod may have left between: the scheduler has not come back to this one yet.
		return fresh && q.ev.seesPods && len(q.e.Fits()) > 0 && q.words.before == ""
	}
	if q.v.kind == byClaim {
		return !slices.ContainsFunc(q.e.Everywhere, func(j Rejection) bool { return !q.comes(j.claim) })
	}
	if len(q.ev.leaving) > 0 && len(q.ev.evaluate(q.ev.request(q.pod, q.ev.leaving)).Fits()) > 0 {
		return true
	}
	return q.oldPodGoes()
}

// complete adds what every finding of this package has.
func (q *inquiry) complete(f analyzers.Finding) analyzers.Finding {
	f.Subject, f.Affected = q.root, []analyzers.Ref{cluster.RefOf(q.pod)}
	f.Summary = sentence(f.Summary)
	f.Evidence = slices.Clone(f.Evidence[:min(len(f.Evidence), 4)])
	if q.said {
		f.Evidence = append(f.Evidence, q.words.at)
	}
	// The cluster autoscaler and Karpenter have answered: a node is on its way.
	if ev, ok := q.LastEvent(q.pod, nil, "TriggeredScaleUp", "Nominated"); ok && q.Since(cluster.EventTime(ev)) < 10*time.Minute {
		f.Severity = analyzers.Warning
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Event on " + cluster.RefOf(q.pod).String(), Path: ev.Reason, Quote: ev.Message, At: cluster.EventTime(ev)})
	} else if ev, ok := q.LastEvent(q.pod, nil, "NotTriggerScaleUp"); ok {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Event on " + cluster.RefOf(q.pod).String(), Path: ev.Reason, Quote: ev.Message, At: cluster.EventTime(ev)})
	}
	return f
}

// finding says what decides.
func (q *inquiry) finding() (analyzers.Finding, bool) {
	if !q.sure {
		return q.wordsFinding()
	}
	if f, ok := q.surgeFinding(); ok {
		return f, true
	}
	switch q.v.kind {
	case byClaim:
		return q.claimFinding()
	case bySelector:
		return q.selectorFinding(), true
	case byVolume, byBinding:
		return q.volumeFinding(), true
	case byOffer, byDevice:
		return q.deviceFinding(), true
	case byTaint, byControlPlane:
		return q.taintFinding(), true
	case byState:
		return q.stateFinding(), true
	case byAffinity:
		return q.affinityFinding(), true
	case byPort:
		return q.portFinding(), true
	case bySpread:
		return q.spreadFinding(), true
	case byPodCount:
		return q.podCountFinding(), true
	case byRoom:
		if q.preemptor() != nil {
			return analyzers.Finding{}, false // preempted.go tells why there is no room
		}
		if f, ok := q.overheadFinding(); ok {
			return f, true
		}
		return q.roomFinding(), true
	}
	// byUse: a claim for one pod at a time is held by another; storage tells of it.
	return analyzers.Finding{}, false
}
