package cluster

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

type podIndex struct {
	once    sync.Once
	byNode  map[string][]*corev1.Pod
	byLabel map[podLabel][]*corev1.Pod
}

type podLabel struct{ namespace, key, value string }

func (s *Snapshot) podIndex() *podIndex {
	s.note(Pods)
	x := &s.lazy.pods
	x.once.Do(func() {
		x.byNode, x.byLabel = map[string][]*corev1.Pod{}, map[podLabel][]*corev1.Pod{}
		for _, o := range s.objects[Pods] {
			pod := o.(*corev1.Pod)
			if pod.Spec.NodeName != "" {
				x.byNode[pod.Spec.NodeName] = append(x.byNode[pod.Spec.NodeName], pod)
			}
			for k, v := range pod.Labels {
				l := podLabel{pod.Namespace, k, v}
				x.byLabel[l] = append(x.byLabel[l], pod)
			}
		}
	})
	return x
}

// PodsOn returns the pods that are bound to a node, finished ones included.
func (s *Snapshot) PodsOn(node string) []*corev1.Pod { return s.podIndex().byNode[node] }

// PodsWith returns the pods of a namespace that carry all these labels, ordered by
// name. An empty set selects nothing, as in a Service.
func (s *Snapshot) PodsWith(namespace string, set map[string]string) []*corev1.Pod {
	if len(set) == 0 {
		return nil
	}
	x := s.podIndex()
	var candidates []*corev1.Pod
	first := true
	for _, k := range sortedKeys(set) { // the rarest label leaves the least to look at
		if list := x.byLabel[podLabel{namespace, k, set[k]}]; first || len(list) < len(candidates) {
			candidates, first = list, false
		}
	}
	var out []*corev1.Pod
	sel := labels.SelectorFromSet(set)
	for _, pod := range candidates {
		if sel.Matches(labels.Set(pod.Labels)) {
			out = append(out, pod)
		}
	}
	return out
}

// PodsSelected returns the pods of a namespace that a selector matches, ordered by name.
func (s *Snapshot) PodsSelected(namespace string, sel labels.Selector) []*corev1.Pod {
	var out []*corev1.Pod
	for pod := range In[*corev1.Pod](s, namespace) {
		if sel.Matches(labels.Set(pod.Labels)) {
			out = append(out, pod)
		}
	}
	return out
}

// ContainerStatuses returns the statuses of init containers, then of containers. The
// ephemeral ones are left out: they are a person's debugging, not the workload.
func ContainerStatuses(pod *corev1.Pod) []corev1.ContainerStatus {
	if n := len(pod.Status.ContainerStatuses); len(pod.Status.InitContainerStatuses) == 0 {
		return pod.Status.ContainerStatuses[:n:n] // no copy for nearly all pods
	}
	out := make([]corev1.ContainerStatus, 0, len(pod.Status.InitContainerStatuses)+len(pod.Status.ContainerStatuses))
	return append(append(out, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...)
}

// Containers returns the init containers, then the containers of a pod spec.
func Containers(spec *corev1.PodSpec) []corev1.Container {
	if n := len(spec.Containers); len(spec.InitContainers) == 0 {
		return spec.Containers[:n:n]
	}
	out := make([]corev1.Container, 0, len(spec.InitContainers)+len(spec.Containers))
	return append(append(out, spec.InitContainers...), spec.Containers...)
}

// Container returns the container or init container of that name.
func Container(spec *corev1.PodSpec, name string) (c *corev1.Container, init, ok bool) {
	for i := range spec.Containers {
		if spec.Containers[i].Name == name {
			return &spec.Containers[i], false, true
		}
	}
	for i := range spec.InitContainers {
		if spec.InitContainers[i].Name == name {
			return &spec.InitContainers[i], true, true
		}
	}
	return nil, false, false
}

// IsSidecar reports whether an init container is a native sidecar, which keeps running
// beside the containers (restartPolicy: Always).
func IsSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// PodCondition returns a pod's condition of that type, or nil.
func PodCondition(pod *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == t {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// PodReady reports whether a pod takes traffic.
func PodReady(pod *corev1.Pod) bool {
	c := PodCondition(pod, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
}

// PodFinished reports whether a pod has ended for good and holds no resources.
func PodFinished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
