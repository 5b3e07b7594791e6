package pods

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// patience is how long a stage on the node may take before it counts as blocked without
// an error of its own.
const patience = 2 * time.Minute

func (w *walk) scheduled() Stage {
	c := cluster.PodCondition(w.pod, corev1.PodScheduled)
	switch {
	case w.pod.Spec.NodeName != "":
		w.scheduledAt = w.created // a static pod has no such condition
		if c != nil && c.Status == corev1.ConditionTrue {
			w.scheduledAt = c.LastTransitionTime.Time
		}
		if reason := w.refused(); reason != "" {
			return Stage{State: Blocked, Detail: oneLine("node " + w.pod.Spec.NodeName + " refused the pod: " + reason)}
		}
		return Stage{State: Passed, Took: between(w.created, w.scheduledAt), Detail: "node " + w.pod.Spec.NodeName}
	case len(w.pod.Spec.SchedulingGates) > 0:
		return Stage{State: Blocked, Took: w.since(w.created), Detail: "scheduling gate " + w.pod.Spec.SchedulingGates[0].Name}
	case c != nil && c.Status == corev1.ConditionFalse:
		return Stage{State: Blocked, Took: w.since(w.created), Detail: oneLine(c.Message)}
	case w.s.Since(w.created) > patience:
		return Stage{State: Blocked, Took: w.since(w.created), Detail: "no scheduler has looked at the pod; it asks for " + schedulerName(w.pod)}
	}
	return Stage{State: Current, Took: w.since(w.created), Detail: "waits for " + schedulerName(w.pod)}
}

func schedulerName(pod *corev1.Pod) string {
	if pod.Spec.SchedulerName == "" {
		return corev1.DefaultSchedulerName
	}
	return pod.Spec.SchedulerName
}

// refused is why the kubelet did not take the pod: it has failed with a reason, and no
// container of it was ever created (k8s.io/kubernetes pkg/kubelet/kubelet.go, rejectPod).
func (w *walk) refused() string {
	if w.pod.Status.Phase != corev1.PodFailed || w.pod.Status.Reason == "" || w.anyStarted() || len(w.pod.Status.ContainerStatuses) > 0 {
		return ""
	}
	return w.pod.Status.Reason + ": " + w.pod.Status.Message
}

func (w *walk) anyStarted() bool {
	return slices.ContainsFunc(cluster.ContainerStatuses(w.pod), func(c corev1.ContainerStatus) bool {
		return c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil
	})
}

// onNode reports whether the kubelet came past volumes and sandbox: it says so, or it
// has tried a container.
func (w *walk) onNode() bool {
	if c := cluster.PodCondition(w.pod, corev1.PodReadyToStartContainers); c != nil && c.Status == corev1.ConditionTrue {
		return true
	}
	return cluster.PodFinished(w.pod) || slices.ContainsFunc(cluster.ContainerStatuses(w.pod), tried)
}

// tried reports whether the kubelet has begun with a container.
func tried(c corev1.ContainerStatus) bool {
	if c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil {
		return true
	}
	waiting := c.State.Waiting
	return waiting != nil && waiting.Reason != "" && waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing"
}

// The kubelet's and the attach controller's reasons (k8s.io/kubernetes
// pkg/kubelet/events/event.go, pkg/controller/volume/attachdetach/reconciler).
var (
	volumeReasons  = []string{"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedMountOnFilesystemMismatch", "VolumePermissionChangeInProgress"}
	sandboxReasons = []string{"FailedCreatePodSandBox", "FailedPodSandBoxStatus", "NetworkNotReady", "FailedPrepareDynamicResources", "FailedCreatePodContainer"}
)

// holdUp is the newest event that says why the pod does not get past volumes and
// sandbox; what was before it has been got over.
func (w *walk) holdUp() (*corev1.Event, bool) {
	return w.s.LastEvent(w.pod, nil, slices.Concat(volumeReasons, sandboxReasons, []string{"SuccessfulAttachVolume"})...)
}

func (w *walk) volumes() Stage {
	names := mountedVolumes(w.pod)
	detail := strings.Join(names, ", ")
	if w.onNode() {
		if len(names) == 0 {
			return Stage{State: NotApplicable, Detail: "no volumes"}
		}
		return Stage{State: Passed, Detail: oneLine(detail)}
	}
	ev, ok := w.holdUp()
	switch {
	case ok && slices.Contains(sandboxReasons, ev.Reason) && len(names) == 0:
		return Stage{State: NotApplicable, Detail: "no volumes"}
	case ok && ev.Reason == "NetworkNotReady":
		return Stage{State: Unknown, Detail: "the node's network comes first"}
	case ok && slices.Contains(sandboxReasons, ev.Reason):
		return Stage{State: Passed, Detail: oneLine(detail)}
	case ok && ev.Type == corev1.EventTypeWarning:
		return Stage{State: Blocked, Took: w.since(w.scheduledAt), Detail: oneLine(ev.Message)}
	case w.s.Since(w.scheduledAt) > patience:
		return Stage{State: Blocked, Took: w.since(w.scheduledAt), Detail: "no event tells what the kubelet waits for; " + oneLine("volumes: "+detail)}
	}
	return Stage{State: Current, Took: w.since(w.scheduledAt), Detail: oneLine(detail)}
}

// mountedVolumes names the volumes that containers mount, without the token that every
// pod has.
func mountedVolumes(pod *corev1.Pod) []string {
	used := map[string]bool{}
	for _, c := range cluster.Containers(&pod.Spec) {
		for _, m := range c.VolumeMounts {
			used[m.Name] = true
		}
		for _, d := range c.VolumeDevices {
			used[d.Name] = true
		}
	}
	var out []string
	for _, v := range pod.Spec.Volumes {
		if used[v.Name] && !strings.HasPrefix(v.Name, "kube-api-access-") {
			out = append(out, describeVolume(v))
		}
	}
	return out
}

func describeVolume(v corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return "claim " + v.PersistentVolumeClaim.ClaimName
	case v.ConfigMap != nil:
		return "ConfigMap " + v.ConfigMap.Name
	case v.Secret != nil:
		return "Secret " + v.Secret.SecretName
	}
	return v.Name
}

func (w *walk) network() Stage {
	if w.onNode() {
		if c := cluster.PodCondition(w.pod, corev1.PodReadyToStartContainers); c != nil && c.Status == corev1.ConditionTrue {
			w.sandboxAt = c.LastTransitionTime.Time
		}
		detail := "IP " + w.pod.Status.PodIP
		if w.pod.Spec.HostNetwork {
			detail = "network of the node"
		} else if w.pod.Status.PodIP == "" {
			detail = ""
		}
		return Stage{State: Passed, Took: between(w.scheduledAt, w.sandboxAt), Detail: detail}
	}
	if ev, ok := w.holdUp(); ok && slices.Contains(sandboxReasons, ev.Reason) {
		return Stage{State: Blocked, Took: w.since(w.scheduledAt), Detail: oneLine(ev.Message)}
	}
	return Stage{State: Current, Took: w.since(w.scheduledAt), Detail: "the sandbox is being made"}
}

const maxDetail = 200

// oneLine makes a message one line of bounded length.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxDetail {
		return string(r[:maxDetail-1]) + "…"
	}
	return text
}

func seconds(d time.Duration) string { return fmt.Sprint(d.Round(time.Second)) }
