package rollouts

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// StatefulSet finds updates and scalings of StatefulSets that stand still.
var StatefulSet = &analyzers.Analyzer{
	Name: "rollouts/stateful-set",
	Doc: `StatefulSets whose update or scaling is stuck

Behind a pod that is not ready, which is a consequence of that pod's fault; by a partition
or the strategy OnDelete; or, as a cause of its own, behind a broken pod that was made
from a template corrected since: the controller waits for it and never replaces it.`,
	Needs: []schema.GroupKind{cluster.StatefulSets},
	Emits: []analyzers.Code{statefulSetStuck, forcedRollback},
	Run:   statefulSets,
}

func statefulSets(p *analyzers.Pass) error {
	for set := range cluster.Scoped[*appsv1.StatefulSet](p.Snapshot) {
		wants, _ := cluster.Replicas(set)
		// An operator that owns a StatefulSet updates it in its own way.
		if _, _, owned := p.Owner(set); owned || set.DeletionTimestamp != nil || wants == 0 || set.Status.ObservedGeneration < set.Generation {
			continue
		}
		pods := byOrdinal(p.Snapshot, set)
		updating := set.Status.UpdateRevision != "" && set.Status.CurrentRevision != set.Status.UpdateRevision
		if waits(p, set, pods, wants, updating) || !updating {
			continue
		}
		held(p, set, pods, wants)
	}
	return nil
}

// byOrdinal are the pods of a StatefulSet, the lowest ordinal first: the controller goes
// through them in this order and stops at the first that is not ready (k8s.io/kubernetes
// pkg/controller/statefulset/stateful_set_control.go, processReplica). With
// podManagementPolicy Parallel it does not stop.
func byOrdinal(s *cluster.Snapshot, set *appsv1.StatefulSet) []*corev1.Pod {
	pods := slices.DeleteFunc(s.PodsOf(set), func(pod *corev1.Pod) bool { return ordinal(pod) < 0 || cluster.PodFinished(pod) })
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int { return ordinal(a) - ordinal(b) })
	return pods
}

func ordinal(pod *corev1.Pod) int {
	n, err := strconv.Atoi(pod.Name[strings.LastIndex(pod.Name, "-")+1:])
	if err != nil {
		return -1
	}
	return n
}

func revisionOf(pod *corev1.Pod) string { return pod.Labels[appsv1.ControllerRevisionHashLabelKey] }

// waits reports the pod that the controller waits for.
func waits(p *analyzers.Pass, set *appsv1.StatefulSet, pods []*corev1.Pod, wants int32, updating bool) bool {
	pod, why, stage := blocker(p.Snapshot, set, pods)
	if pod == nil {
		return false
	}
	ref := cluster.RefOf(set)
	f := analyzers.Finding{
		Code:     statefulSetStuck,
		Subject:  ref,
		Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(pod).String(), Path: "status.conditions[Ready]", Quote: readyText(pod, why), At: readySince(pod)},
			{Source: ref.String(), Path: "status", Quote: fmt.Sprintf("updatedReplicas %d, readyReplicas %d of %d", set.Status.UpdatedReplicas, set.Status.ReadyReplicas, wants)},
		},
	}
	if stage == cluster.Late {
		f.Severity = analyzers.Warning
	}
	old := updating && revisionOf(pod) != set.Status.UpdateRevision
	switch {
	case old && set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType:
		return false
	case old:
		f.Summary = fmt.Sprintf("Update waits for pod %s of a former revision: %s", pod.Name, why)
	case updating:
		f.Summary = fmt.Sprintf("Update waits for pod %s: %s", pod.Name, why)
		f.Fixes = rollback(p, set)
		if len(f.Fixes) > 0 && ordered(set) && pod.DeletionTimestamp == nil && ownFault(pod) {
			f.Fixes[0].Why += fmt.Sprintf(", then delete pod %s, which the controller waits for and does not replace", pod.Name)
			f.Fixes = append(f.Fixes, analyzers.Fix{
				Why:  "After the roll back: delete the broken pod; the controller recreates it from the former template with its volumes",
				Argv: p.Kubectl(set.Namespace, "delete", "pod", pod.Name),
			})
		}
	case set.Status.Replicas < wants && ordered(set):
		f.Summary = fmt.Sprintf("Scaling to %d pods waits for pod %s: %s", wants, pod.Name, why)
	default:
		return false // a pod that is not ready holds nothing up, and has its own finding
	}
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show what keeps the pod from being ready", Argv: p.Kubectl(set.Namespace, "describe", "pod", pod.Name)})
	if old && ordered(set) && pod.DeletionTimestamp == nil && stage == cluster.Stuck {
		if fix, ok := replace(p, set, pod); ok {
			f.Fixes = append([]analyzers.Fix{fix}, f.Fixes...)
			reportRollback(p, set, pod, why, fix)
		}
	}
	p.Report(f)
	return true
}

// reportRollback is for the pod that is in the way of its own correction. (The official
// documentation calls this case forced rollback.)
func reportRollback(p *analyzers.Pass, set *appsv1.StatefulSet, pod *corev1.Pod, why string, fix analyzers.Fix) {
	ref := cluster.RefOf(set)
	p.Report(analyzers.Finding{
		Code:     forcedRollback,
		Subject:  ref,
		Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary:  analyzers.Line(fmt.Sprintf("Pod %s of the former revision keeps the new template from being rolled out: %s", pod.Name, why), 160),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(pod).String(), Path: "metadata.labels", Quote: appsv1.ControllerRevisionHashLabelKey + "=" + revisionOf(pod)},
			{Source: ref.String(), Path: "status.updateRevision", Quote: "updateRevision: " + set.Status.UpdateRevision},
			{Source: ref.String(), Path: "spec.podManagementPolicy", Quote: "podManagementPolicy: OrderedReady"},
		},
		Fixes: []analyzers.Fix{fix},
	})
}

func ordered(set *appsv1.StatefulSet) bool {
	return set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
}

// blocker is the first pod that is not ready although it should be by now.
func blocker(s *cluster.Snapshot, set *appsv1.StatefulSet, pods []*corev1.Pod) (*corev1.Pod, string, cluster.Stage) {
	for _, pod := range pods {
		if pod.DeletionTimestamp != nil {
			if s.Since(pod.DeletionTimestamp.Time) > time.Minute {
				return pod, "it is being deleted and does not end", cluster.Stuck
			}
			return nil, "", cluster.Ready // its successor comes
		}
		if !ordered(set) && revisionOf(pod) != set.Status.UpdateRevision {
			continue // is replaced whatever its state
		}
		if stage, why := s.Unready(pod); stage >= cluster.Late {
			return pod, why, stage
		} else if stage == cluster.Starting && ordered(set) {
			return nil, "", cluster.Ready
		}
	}
	return nil, "", cluster.Ready
}

func readySince(pod *corev1.Pod) time.Time {
	if c := cluster.PodCondition(pod, corev1.PodReady); c != nil {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// readyText is the pod's own word about why it is not ready, or ours where it has none.
func readyText(pod *corev1.Pod, why string) string {
	if c := cluster.PodCondition(pod, corev1.PodReady); c != nil && c.Reason != "" {
		return fmt.Sprintf("Ready: %s (%s)", c.Status, strings.Trim(c.Reason+": "+analyzers.QuoteHead(c.Message), ": "))
	}
	return why
}

// replace deletes the pod, if that makes one of the new revision: below the partition it
// comes back as it was (stateful_set_utils.go, newVersionedStatefulSetPod).
func replace(p *analyzers.Pass, set *appsv1.StatefulSet, pod *corev1.Pod) (analyzers.Fix, bool) {
	if ordinal(pod) < firstUpdated(set) || !ownFault(pod) {
		return analyzers.Fix{}, false
	}
	return analyzers.Fix{
		Why:  "Delete the broken pod; the controller recreates it from the present template with its volumes",
		Argv: p.Kubectl(set.Namespace, "delete", "pod", pod.Name),
	}, true
}

// ownFault tells a pod that is broken from one whose node is lost: there the last known
// state of its containers stays ready, and a deleted pod would not go.
func ownFault(pod *corev1.Pod) bool {
	return pod.Spec.NodeName == "" || slices.ContainsFunc(cluster.ContainerStatuses(pod), func(c corev1.ContainerStatus) bool { return !c.Ready })
}

func partition(set *appsv1.StatefulSet) int32 {
	if r := set.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil {
		return *r.Partition
	}
	return 0
}

// firstUpdated is the lowest ordinal that an update reaches.
func firstUpdated(set *appsv1.StatefulSet) int {
	start := 0
	if o := set.Spec.Ordinals; o != nil {
		start = int(o.Start)
	}
	return start + int(partition(set))
}

// held reports an update that waits for a person.
func held(p *analyzers.Pass, set *appsv1.StatefulSet, pods []*corev1.Pod, wants int32) {
	ref := cluster.RefOf(set)
	var old []*corev1.Pod
	for _, pod := range pods {
		if revisionOf(pod) != set.Status.UpdateRevision && pod.DeletionTimestamp == nil {
			old = append(old, pod)
		}
	}
	onDelete := set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType
	if len(old) == 0 || !onDelete && slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return !cluster.PodReady(pod) }) {
		return // at work
	}
	f := analyzers.Finding{Code: statefulSetStuck, Severity: analyzers.Warning, Subject: ref}
	last := old[len(old)-1]
	switch from := partition(set); {
	case onDelete:
		f.Summary = fmt.Sprintf("Update waits for the old pods to be deleted by hand (strategy OnDelete): %d of %d pods are old", len(old), wants)
		f.Evidence = []analyzers.Evidence{{Source: ref.String(), Path: "spec.updateStrategy.type", Quote: "updateStrategy.type: OnDelete"}}
		f.Fixes = []analyzers.Fix{
			{Why: "Delete one pod, so that it comes back with the new revision; go on with the next when it is ready", Argv: p.Kubectl(set.Namespace, "delete", "pod", last.Name)},
			{Why: "Let the controller replace the pods from now on", Argv: p.Kubectl(set.Namespace, "patch", ref.Short(), "--type", "strategic", "-p", `{"spec":{"updateStrategy":{"type":"RollingUpdate"}}}`)},
		}
	case ordinal(last) >= firstUpdated(set):
		return // its turn comes
	default:
		f.Summary = fmt.Sprintf("Update ends at partition %d: the pods below it keep the old revision", from)
		if from < wants {
			f.Severity = analyzers.Info // some pods are new: a canary, on purpose
		}
		f.Evidence = []analyzers.Evidence{{Source: ref.String(), Path: "spec.updateStrategy.rollingUpdate.partition", Quote: fmt.Sprintf("partition: %d", from)}}
		f.Fixes = []analyzers.Fix{{
			Why:  "Let the update go on to all pods",
			Argv: p.Kubectl(set.Namespace, "patch", ref.Short(), "--type", "strategic", "-p", `{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}`),
		}}
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{
		Source: ref.String(), Path: "status", Quote: fmt.Sprintf("currentRevision %s, updateRevision %s, updatedReplicas %d", set.Status.CurrentRevision, set.Status.UpdateRevision, set.Status.UpdatedReplicas),
	})
	p.Report(f)
}
