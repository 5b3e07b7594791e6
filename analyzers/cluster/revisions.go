package cluster

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// revisionAnnotation numbers the ReplicaSets of a Deployment (k8s.io/kubernetes
// pkg/controller/deployment/util/deployment_util.go, RevisionAnnotation).
const revisionAnnotation = "deployment.kubernetes.io/revision"

// A Revision is one state of a workload's pod template that the cluster remembers.
type Revision struct {
	Number   int64
	Object   Object // the ReplicaSet or ControllerRevision
	Template *corev1.PodTemplateSpec
	Ready    int // pods of this revision that are ready now
}

// Revisions returns what the cluster remembers of a Deployment's, StatefulSet's or
// DaemonSet's pod template, newest first; the newest is the present one, unless a paused
// Deployment holds it back. It is empty for other kinds.
func (s *Snapshot) Revisions(workload Object) []Revision {
	var out []Revision
	for _, o := range s.Owned(workload) {
		switch o := o.(type) {
		case *appsv1.ReplicaSet:
			n, err := strconv.ParseInt(o.Annotations[revisionAnnotation], 10, 64)
			if err == nil {
				out = append(out, Revision{Number: n, Object: o, Template: &o.Spec.Template, Ready: int(o.Status.ReadyReplicas)})
			}
		case *appsv1.ControllerRevision:
			if t := revisionTemplate(o); t != nil {
				out = append(out, Revision{Number: o.Revision, Object: o, Template: t, Ready: s.readyOf(workload, o)})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Revision) int {
		return cmp.Or(cmp.Compare(b.Number, a.Number), compareObjects(a.Object, b.Object))
	})
	return out
}

// revisionTemplate reads the pod template out of a ControllerRevision: its data is a
// patch of the workload that replaces spec.template (k8s.io/kubernetes
// pkg/controller/daemon/update.go and statefulset/stateful_set_utils.go, getPatch).
func revisionTemplate(r *appsv1.ControllerRevision) *corev1.PodTemplateSpec {
	var patch struct {
		Spec struct {
			Template *corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	if json.Unmarshal(r.Data.Raw, &patch) != nil {
		return nil
	}
	return patch.Spec.Template
}

// readyOf counts the ready pods of one ControllerRevision. A StatefulSet's pods carry
// its name as their label, a DaemonSet's pods its hash.
func (s *Snapshot) readyOf(workload Object, r *appsv1.ControllerRevision) int {
	n := 0
	for _, pod := range s.PodsOf(workload) {
		label := pod.Labels[appsv1.ControllerRevisionHashLabelKey]
		if label != "" && (label == r.Name || label == r.Labels[appsv1.ControllerRevisionHashLabelKey]) && PodReady(pod) {
			n++
		}
	}
	return n
}
