package cluster

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A Fault says at which step of its life a container stands still. Each container has
// at most one, so that two checks never report the same thing.
type Fault string

const (
	NoFault    Fault = ""        // well, finished as it should, or not yet due
	ImageFault Fault = "image"   // the image cannot be had
	StartFault Fault = "start"   // the container cannot be created or started
	CrashFault Fault = "crash"   // the process ran and ended when it should not have
	ReadyFault Fault = "unready" // the process runs and the container is not ready or not started
)

// imageReasons and startReasons are waiting reasons of the kubelet
// (k8s.io/kubernetes pkg/kubelet/images/types.go, kuberuntime/kuberuntime_container.go,
// pkg/kubelet/container/sync_result.go).
var (
	imageReasons = map[string]bool{
		"ErrImagePull": true, "ImagePullBackOff": true, "InvalidImageName": true, "ErrImageNeverPull": true,
		"ImageInspectError": true, "RegistryUnavailable": true, "SignatureValidationFailed": true,
	}
	startReasons = map[string]bool{
		"CreateContainerConfigError": true, "CreateContainerError": true, "RunContainerError": true,
		"PreCreateHookError": true, "PreStartHookError": true, "PostStartHookError": true,
	}
	// A runtime that could not start the process writes these as the reason of an end.
	startEnds = map[string]bool{"StartError": true, "ContainerCannotRun": true}
)

const (
	// recentCrash is how long after its last end a running container counts as
	// crashing: the longest back-off between restarts is 5 minutes
	// (k8s.io/kubernetes pkg/kubelet/kubelet.go, MaxContainerBackOff), and as much again
	// for the run itself.
	recentCrash = 10 * time.Minute
	// fewRestarts do not make a crash loop: a database that was not there yet at the
	// start of everything explains one or two.
	fewRestarts = 2
)

// ContainerFault classifies the present state of one container of pod. An old event, or
// a crash that the container has got over, is no fault.
func (s *Snapshot) ContainerFault(pod *corev1.Pod, status corev1.ContainerStatus) Fault {
	spec, init, _ := Container(&pod.Spec, status.Name)
	sidecar := init && spec != nil && IsSidecar(spec)
	last := status.LastTerminationState.Terminated
	switch {
	case status.State.Waiting != nil:
		return waitingFault(status.State.Waiting.Reason, last)
	case status.State.Terminated != nil:
		return s.endedFault(pod, status, init && !sidecar)
	case status.State.Running != nil:
		if status.Ready && (init && !sidecar || PodReady(pod)) && s.Since(status.State.Running.StartedAt.Time) > recentCrash {
			return NoFault
		}
		if last != nil && status.RestartCount > fewRestarts && s.Since(last.FinishedAt.Time) < recentCrash {
			if startEnds[last.Reason] {
				return StartFault
			}
			return CrashFault
		}
		if init && !sidecar {
			return NoFault // it is at work; whether for too long is another question
		}
		if !status.Ready {
			return ReadyFault
		}
	}
	return NoFault
}

func waitingFault(reason string, last *corev1.ContainerStateTerminated) Fault {
	switch {
	case imageReasons[reason]:
		return ImageFault
	case startReasons[reason]:
		return StartFault
	case reason == "CrashLoopBackOff" && last != nil && startEnds[last.Reason]:
		return StartFault
	case reason == "CrashLoopBackOff":
		return CrashFault
	}
	return NoFault // ContainerCreating, PodInitializing: not its own fault
}

// endedFault judges a container that stands in state.terminated. Between two runs of a
// crash loop that lasts for a minute or more before the kubelet writes CrashLoopBackOff.
func (s *Snapshot) endedFault(pod *corev1.Pod, status corev1.ContainerStatus, init bool) Fault {
	end := status.State.Terminated
	switch {
	case pod.DeletionTimestamp != nil:
		return NoFault
	case startEnds[end.Reason]:
		return StartFault
	case end.ExitCode != 0:
		return CrashFault
	case init, pod.Spec.RestartPolicy != corev1.RestartPolicyAlways:
		return NoFault
	case status.RestartCount > 0 || s.Since(end.FinishedAt.Time) > time.Minute:
		return CrashFault // exits with 0 and is started again and again
	}
	return NoFault
}

// End returns how the last run of a container ended: the present state if it stands
// ended, else the run before; nil when it never ended. current tells which.
func End(status corev1.ContainerStatus) (end *corev1.ContainerStateTerminated, current bool) {
	if status.State.Terminated != nil {
		return status.State.Terminated, true
	}
	return status.LastTerminationState.Terminated, false
}

// KilledByProbe returns the event with which the kubelet said that it restarts this
// container because a probe failed, and which probe ("liveness" or "startup"). The
// event must be about the container's last end: an older kill explains nothing.
// (k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go: "Container %s
// failed %s probe, will be restarted").
func (s *Snapshot) KilledByProbe(pod *corev1.Pod, status corev1.ContainerStatus) (probe string, ev *corev1.Event, ok bool) {
	end, _ := End(status)
	ev, ok = s.LastEvent(pod, func(ev *corev1.Event) bool { return killMessage(ev.Message, status.Name) != "" }, "Killing")
	if !ok {
		return "", nil, false
	}
	probe = killMessage(ev.Message, status.Name)
	if end != nil && end.FinishedAt.Sub(EventTime(ev)) > killWindow {
		return "", nil, false
	}
	return probe, ev, true
}

// killMessage is the probe for which the kubelet says that it kills a container, or "".
// Of a native sidecar it says "Init container x failed startup probe"
// (k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go).
func killMessage(message, container string) string {
	for _, who := range []string{"Container ", "Init container "} {
		if rest, ok := strings.CutPrefix(message, who+container+" failed "); ok {
			if probe, _, ok := strings.Cut(rest, " probe"); ok {
				return probe
			}
		}
	}
	return ""
}

// killWindow is how long after the kubelet decided to kill a container its end may come:
// the default grace period of 30 s, several times, as teams set longer ones.
const killWindow = 5 * time.Minute

// LastLog returns the log that tells why a container ended: that of the ended run.
func (s *Snapshot) LastLog(pod *corev1.Pod, status corev1.ContainerStatus) (Log, bool) {
	_, current := End(status)
	if l, ok := s.Log(pod, status.Name, !current); ok {
		return l, true
	}
	return s.Log(pod, status.Name, current)
}
