package cluster

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// maxOwners bounds a chain of owners: a cycle is possible in hostile input.
const maxOwners = 10

func (s *Snapshot) buildUIDs() {
	s.lazy.uid.Do(func() {
		s.lazy.byUID, s.lazy.owned = make(map[types.UID]Object, len(s.byName)), map[types.UID][]Object{}
		for _, k := range kinds {
			for _, o := range s.objects[k.GroupKind()] {
				if uid := o.GetUID(); uid != "" {
					s.lazy.byUID[uid] = o
				}
				if c := metav1.GetControllerOfNoCopy(o); c != nil && c.UID != "" {
					s.lazy.owned[c.UID] = append(s.lazy.owned[c.UID], o)
				}
			}
		}
	})
}

// podRoots are asked for by nearly every check.
func (s *Snapshot) podRoots() map[types.UID]Ref {
	s.lazy.root.Do(func() {
		s.buildUIDs()
		roots := make(map[types.UID]Ref, len(s.objects[Pods]))
		for _, o := range s.objects[Pods] {
			if uid := o.GetUID(); uid != "" && s.lazy.byUID[uid] == o {
				roots[uid] = s.root(o)
			}
		}
		s.lazy.roots = roots
	})
	return s.lazy.roots
}

// Owner returns the reference of the object's controller, and the object itself when
// the Snapshot has it. ok is false for an object that nothing controls.
func (s *Snapshot) Owner(o Object) (ref Ref, owner Object, ok bool) {
	c := metav1.GetControllerOfNoCopy(o)
	if c == nil {
		return Ref{}, nil, false
	}
	s.buildUIDs()
	if owner := s.lazy.byUID[c.UID]; owner != nil && c.UID != "" {
		return RefOf(owner), owner, true
	}
	ref = Ref{APIVersion: c.APIVersion, Kind: c.Kind, Namespace: o.GetNamespace(), Name: c.Name}
	if owner, found := s.byName[ref.key()]; found {
		return ref, owner, true
	}
	ref.Namespace = "" // a Node, which owns mirror pods, has none
	if owner, found := s.byName[ref.key()]; found {
		return ref, owner, true
	}
	ref.Namespace = o.GetNamespace()
	return ref, nil, true
}

// Owned returns the objects that o controls, ordered by kind, namespace and name.
func (s *Snapshot) Owned(o Object) []Object {
	s.buildUIDs()
	if o.GetUID() == "" {
		return nil
	}
	return s.lazy.owned[o.GetUID()]
}

// Root returns what a person would fix in place of o: the top of its chain of owners,
// such as the Deployment of a Pod. A mirror pod is its own root, not its Node's.
func (s *Snapshot) Root(o Object) Ref {
	if pod, ok := o.(*corev1.Pod); ok && pod.UID != "" {
		if root, ok := s.podRoots()[pod.UID]; ok {
			return root
		}
	}
	return s.root(o)
}

func (s *Snapshot) root(o Object) Ref {
	at := RefOf(o)
	for range maxOwners {
		ref, owner, ok := s.Owner(o)
		if !ok || ref.Kind == "Node" {
			return at
		}
		at = ref
		if owner == nil {
			return at
		}
		o = owner
	}
	return at
}

// RootObject is the object that Root names, or nil when the Snapshot does not hold it.
func (s *Snapshot) RootObject(o Object) Object { return s.byName[s.Root(o).key()] }

// PodsOf returns the pods that a workload controls, through ReplicaSets and Jobs,
// ordered by name.
func (s *Snapshot) PodsOf(workload Object) []*corev1.Pod {
	var out []*corev1.Pod
	s.collectPods(workload, &out, maxOwners)
	slices.SortFunc(out, func(a, b *corev1.Pod) int { return compareObjects(a, b) })
	return out
}

func (s *Snapshot) collectPods(o Object, out *[]*corev1.Pod, depth int) {
	if pod, ok := o.(*corev1.Pod); ok {
		*out = append(*out, pod)
		return
	}
	if depth == 0 {
		return
	}
	for _, child := range s.Owned(o) {
		s.collectPods(child, out, depth-1)
	}
}

// Template returns the pod template of a workload.
func Template(o Object) (*corev1.PodTemplateSpec, bool) {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template, true
	case *appsv1.ReplicaSet:
		return &o.Spec.Template, true
	case *appsv1.StatefulSet:
		return &o.Spec.Template, true
	case *appsv1.DaemonSet:
		return &o.Spec.Template, true
	case *batchv1.Job:
		return &o.Spec.Template, true
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template, true
	}
	return nil, false
}

// Replicas is how many pods a workload asks for; ok is false for a kind without a
// number of replicas of its own. An unset number means one, as in the API.
func Replicas(o Object) (n int32, ok bool) {
	var p *int32
	switch o := o.(type) {
	case *appsv1.Deployment:
		p = o.Spec.Replicas
	case *appsv1.ReplicaSet:
		p = o.Spec.Replicas
	case *appsv1.StatefulSet:
		p = o.Spec.Replicas
	case *appsv1.DaemonSet:
		return o.Status.DesiredNumberScheduled, true
	default:
		return 0, false
	}
	if p == nil {
		return 1, true
	}
	return *p, true
}

// Workloads returns the top-level workloads of one namespace (all for ""), ordered by
// kind and name: Deployments, StatefulSets, DaemonSets, CronJobs, and Jobs and
// ReplicaSets that nothing controls.
func (s *Snapshot) Workloads(namespace string) []Object {
	return Derive(s, "cluster.workloads", s.workloads)[namespace]
}

// workloads groups them by namespace; "" has them all.
func (s *Snapshot) workloads() map[string][]Object {
	out := map[string][]Object{}
	for _, k := range kinds {
		if _, ok := Template(k.New()); !ok {
			continue
		}
		for _, o := range s.objects[k.GroupKind()] {
			if metav1.GetControllerOf(o) == nil {
				out[o.GetNamespace()] = append(out[o.GetNamespace()], o)
				out[""] = append(out[""], o)
			}
		}
	}
	for namespace := range out {
		out[namespace] = slices.Clip(out[namespace]) // what a caller appends is its own
	}
	return out
}
