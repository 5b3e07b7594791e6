package services

import (
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// targetKinds are the kinds that targets reads.
var targetKinds = []schema.GroupKind{
	cluster.Pods, cluster.Deployments, cluster.StatefulSets, cluster.DaemonSets, cluster.ReplicaSets, cluster.Jobs, cluster.CronJobs,
}

// A target is what a selector can be meant for: a workload by its pod template, or pods
// that no known workload made.
type target struct {
	ref      analyzers.Ref
	object   cluster.Object
	template *corev1.PodTemplateSpec
	labels   map[string]string
	wants    int32 // pods that it is to have; 0 for a Job, whose pods come and go
}

// targets returns what can stand behind a Service of a namespace, in a stable order.
// ReplicaSets and pods count only where their owner is of a kind that the Snapshot does
// not hold, such as an Argo Rollout; there the owner is the one to name.
func targets(s *cluster.Snapshot, namespace string) []target {
	var out []target
	add := func(o cluster.Object, wants int32) {
		t, _ := cluster.Template(o)
		out = append(out, target{s.Root(o), o, t, t.Labels, wants})
	}
	for d := range cluster.In[*appsv1.Deployment](s, namespace) {
		n, _ := cluster.Replicas(d)
		add(d, n)
	}
	for d := range cluster.In[*appsv1.StatefulSet](s, namespace) {
		n, _ := cluster.Replicas(d)
		add(d, n)
	}
	for d := range cluster.In[*appsv1.DaemonSet](s, namespace) {
		add(d, d.Status.DesiredNumberScheduled)
	}
	for d := range cluster.In[*appsv1.ReplicaSet](s, namespace) {
		if _, owner, owned := s.Owner(d); !owned || owner == nil {
			n, _ := cluster.Replicas(d)
			add(d, n)
		}
	}
	for d := range cluster.In[*batchv1.CronJob](s, namespace) {
		add(d, 0)
	}
	for d := range cluster.In[*batchv1.Job](s, namespace) {
		if _, _, owned := s.Owner(d); !owned {
			add(d, 0)
		}
	}
	for pod := range cluster.In[*corev1.Pod](s, namespace) {
		if _, owner, owned := s.Owner(pod); (!owned || owner == nil) && live(pod) {
			t := &corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
			out = append(out, target{s.Root(pod), pod, t, pod.Labels, 1})
		}
	}
	return out
}

// live reports whether a pod can be an endpoint, now or soon.
func live(pod *corev1.Pod) bool { return pod.DeletionTimestamp == nil && !cluster.PodFinished(pod) }

// selected returns the live pods that a Service selects.
func selected(s *cluster.Snapshot, svc *corev1.Service) []*corev1.Pod {
	return slices.DeleteFunc(s.PodsWith(svc.Namespace, svc.Spec.Selector), func(p *corev1.Pod) bool { return !live(p) })
}

// roots are the distinct workloads of some pods, in the order of the pods.
func roots(s *cluster.Snapshot, pods []*corev1.Pod) []analyzers.Ref {
	var out []analyzers.Ref
	for _, pod := range pods {
		if r := s.Root(pod); !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// matches reports whether labels carry all pairs of a selector.
func matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return len(selector) > 0
}

// remoteBackends reports whether a Service may have its endpoints in other clusters:
// Cilium's and Linkerd's multi-cluster Services are well without a pod of their own.
func remoteBackends(svc *corev1.Service) bool {
	for _, key := range []string{"service.cilium.io/global", "io.cilium/global-service"} {
		if svc.Annotations[key] == "true" {
			return true
		}
	}
	for _, key := range []string{"mirror.linkerd.io/mirrored-service", "multicluster.kubernetes.io/service-name"} {
		if _, ok := svc.Labels[key]; ok {
			return true
		}
	}
	return false
}

// operated reports whether a controller made the Service, such as Knative's or that of a
// database operator: nobody typed its selector, and an empty role is part of its design.
func operated(s *cluster.Snapshot, svc *corev1.Service) bool {
	_, _, owned := s.Owner(svc)
	return owned
}

func headless(svc *corev1.Service) bool { return svc.Spec.ClusterIP == corev1.ClusterIPNone }

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
