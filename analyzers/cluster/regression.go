package cluster

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Regression reports whether a pod belongs to the newest revision of its workload, none of
// that revision is ready, and an older one still has ready pods: then what ails the pod
// came with the revision, and going back mends it. bad is the number of the revision.
func (s *Snapshot) Regression(pod *corev1.Pod) (bad int64, ok bool) {
	workload := s.RootObject(pod)
	if workload == nil {
		return 0, false
	}
	revisions := s.Revisions(workload)
	if len(revisions) < 2 || revisions[0].Ready > 0 || !s.ofRevision(pod, revisions[0].Object) {
		return 0, false
	}
	for _, r := range revisions[1:] {
		if r.Ready > 0 {
			return revisions[0].Number, true
		}
	}
	return 0, false
}

func (s *Snapshot) ofRevision(pod *corev1.Pod, revision Object) bool {
	if ref, _, ok := s.Owner(pod); ok && ref.Kind == "ReplicaSet" {
		return ref.Name == revision.GetName()
	}
	hash := pod.Labels[appsv1.ControllerRevisionHashLabelKey]
	return hash != "" && (hash == revision.GetName() || hash == revision.GetLabels()[appsv1.ControllerRevisionHashLabelKey])
}

// RollsOut reports whether kubectl rollout, set env and set resources work on a kind.
func RollsOut(ref Ref) bool {
	return ref.GroupKind() == Deployments || ref.GroupKind() == StatefulSets || ref.GroupKind() == DaemonSets
}
