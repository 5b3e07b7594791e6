package config

import (
	"iter"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// subjects iterates the pods that somebody wants to run: not those on their way out.
func subjects(p *analyzers.Pass) iter.Seq[*corev1.Pod] {
	return func(yield func(*corev1.Pod) bool) {
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if pod.DeletionTimestamp != nil || cluster.PodFinished(pod) {
				continue
			}
			_, owner, _ := p.Owner(pod)
			if rs, ok := owner.(*appsv1.ReplicaSet); ok {
				if n, _ := cluster.Replicas(rs); n == 0 {
					continue
				}
			}
			if !yield(pod) {
				return
			}
		}
	}
}

// A stage says what an object that is missing does to a container or pod.
type stage int

const (
	harmless stage = iota // it has ended well, or is too young to tell
	risk                  // it runs and cannot be started again, or has not come so far yet
	blocked               // it cannot be started
)

// settling is how long a new pod may wait for objects that are created along with it.
const settling = 30 * time.Second

// containerStage judges a container whose environment takes something that is missing.
func containerStage(p *analyzers.Pass, pod *corev1.Pod, name string) stage {
	spec, init, ok := cluster.Container(&pod.Spec, name)
	if !ok {
		return harmless
	}
	young := p.Since(pod.CreationTimestamp.Time) < settling
	for _, status := range cluster.ContainerStatuses(pod) {
		if status.Name != name {
			continue
		}
		switch {
		case status.State.Running != nil:
			return risk
		case status.State.Terminated != nil && (init && !cluster.IsSidecar(spec) || pod.Spec.RestartPolicy != corev1.RestartPolicyAlways) && status.State.Terminated.ExitCode == 0:
			return harmless
		case status.State.Waiting != nil && status.State.Waiting.Reason == "CreateContainerConfigError":
			return blocked
		}
	}
	switch {
	case young:
		return harmless
	case pod.Spec.NodeName == "", !init && !initialized(pod):
		// Init containers may write what the containers need, as many installers do.
		return risk
	}
	return blocked
}

func initialized(pod *corev1.Pod) bool {
	c := cluster.PodCondition(pod, corev1.PodInitialized)
	return len(pod.Spec.InitContainers) == 0 || c != nil && c.Status == corev1.ConditionTrue
}

// podStage judges a pod one of whose volumes is made of something that is missing: the
// kubelet mounts all volumes before it starts the first container, and leaves what it
// has mounted when the object goes away.
func podStage(p *analyzers.Pass, pod *corev1.Pod) stage {
	switch {
	case mountedAll(pod):
		return risk
	case p.Since(pod.CreationTimestamp.Time) < settling && !failedMount(p, pod):
		return harmless
	case pod.Spec.NodeName == "":
		return risk
	}
	return blocked
}

// mountedAll reports whether the kubelet came past the volumes of a pod: the sandbox
// exists, or a container was started at some time.
func mountedAll(pod *corev1.Pod) bool {
	if c := cluster.PodCondition(pod, corev1.PodReadyToStartContainers); c != nil && c.Status == corev1.ConditionTrue {
		return true
	}
	for _, status := range cluster.ContainerStatuses(pod) {
		if status.State.Running != nil || status.State.Terminated != nil || status.LastTerminationState.Terminated != nil {
			return true
		}
		if w := status.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" && w.Reason != "" {
			return true
		}
	}
	return false
}

func failedMount(p *analyzers.Pass, pod *corev1.Pod) bool {
	_, ok := p.LastEvent(pod, nil, "FailedMount")
	return ok
}

// waiting returns the kubelet's message about a container that it cannot configure.
func waiting(pod *corev1.Pod, container string) (corev1.ContainerStateWaiting, bool) {
	for _, status := range cluster.ContainerStatuses(pod) {
		if w := status.State.Waiting; status.Name == container && w != nil && w.Reason == "CreateContainerConfigError" {
			return *w, true
		}
	}
	return corev1.ContainerStateWaiting{}, false
}
