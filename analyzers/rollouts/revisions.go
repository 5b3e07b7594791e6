package rollouts

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A Revision is one state of a workload's pod template.
type Revision struct {
	Number   int64                   `json:"number"`
	Object   analyzers.Ref           `json:"object"` // its ReplicaSet or ControllerRevision; the workload itself for a change not rolled out yet
	Created  time.Time               `json:"created,omitzero"`
	Cause    string                  `json:"cause,omitempty"` // kubernetes.io/change-cause
	Ready    int                     `json:"ready"`           // pods of this revision that are ready now
	Served   bool                    `json:"served"`          // it has ready pods, or was rolled out to the end once
	Current  bool                    `json:"current"`         // what the workload asks for now
	Template *corev1.PodTemplateSpec `json:"-"`
}

// RevisionsOf returns what the cluster remembers of the pod template of a Deployment,
// StatefulSet or DaemonSet, the present one first, then the others from new to old. It is
// empty for other kinds, and where ReplicaSets or ControllerRevisions cannot be read.
func RevisionsOf(s *cluster.Snapshot, workload cluster.Object) []Revision {
	known := s.Revisions(workload)
	if len(known) == 0 {
		return nil
	}
	now, _ := cluster.Template(workload)
	current := currentRevision(workload, known, now)
	var out []Revision
	if current < 0 { // changed while paused, or a moment ago
		out = append(out, Revision{Number: known[0].Number + 1, Object: cluster.RefOf(workload), Current: true, Template: now})
	} else {
		out = append(out, revision(known[current], true))
	}
	for i, r := range known {
		if i != current {
			out = append(out, revision(r, false))
		}
	}
	// A StatefulSet's current revision is the last one that reached all its pods
	// (k8s.io/kubernetes pkg/controller/statefulset, completeRollingUpdate).
	if set, ok := workload.(*appsv1.StatefulSet); ok {
		for i := range out {
			out[i].Served = out[i].Served || out[i].Object.Name == set.Status.CurrentRevision
		}
	}
	return out
}

func revision(r cluster.Revision, current bool) Revision {
	return Revision{
		Number: r.Number, Object: cluster.RefOf(r.Object), Created: r.Object.GetCreationTimestamp().Time,
		Cause: r.Object.GetAnnotations()["kubernetes.io/change-cause"], Ready: r.Ready, Served: r.Ready > 0, Current: current, Template: r.Template,
	}
}

// currentRevision is the index of the revision that the workload asks for, or -1. A
// StatefulSet says it in its status; a Deployment's ReplicaSet has the same template. A
// DaemonSet's newest revision is the present one (k8s.io/kubernetes
// pkg/controller/daemon/update.go, constructHistory).
func currentRevision(workload cluster.Object, known []cluster.Revision, now *corev1.PodTemplateSpec) int {
	sts, isSet := workload.(*appsv1.StatefulSet)
	for i, r := range known {
		switch {
		case isSet && r.Object.GetName() == sts.Status.UpdateRevision:
			return i
		case !isSet && len(Diff(r.Template, now)) == 0:
			return i
		}
	}
	if _, ok := workload.(*appsv1.Deployment); ok {
		return -1
	}
	return 0
}

// LastGood returns the revision to go back to: the newest of the others that has or had
// ready pods. Without one, as when a rollout has taken all old pods away, it is the
// newest other revision, with Served false: nothing proves that it was well. ok is false
// when there is no other revision.
func LastGood(revisions []Revision) (r Revision, ok bool) {
	for _, r := range revisions {
		if !r.Current && r.Served {
			return r, true
		}
	}
	for _, r := range revisions {
		if !r.Current {
			return r, true
		}
	}
	return Revision{}, false
}

// WhatChanged compares the present revision of a workload with the last good one.
func WhatChanged(s *cluster.Snapshot, workload cluster.Object) (from, to Revision, changes []Change, ok bool) {
	list := RevisionsOf(s, workload)
	from, ok = LastGood(list)
	if !ok {
		return Revision{}, Revision{}, nil, false
	}
	return from, list[0], Diff(from.Template, list[0].Template), true
}
