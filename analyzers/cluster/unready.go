package cluster

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A Stage says how long a pod that is not ready has been so, against what is to be
// expected of it.
type Stage int

const (
	Ready    Stage = iota // it takes traffic, or it has ended or is being deleted
	Starting              // it needs more time, and may have it
	Late                  // its probes' own patience is over, and the 30 s that any start may take are not
	Stuck                 // it stays so until something changes
)

const (
	// startPatience is what a start may take whatever the probes say: with a short
	// period and threshold many healthy programs are counted as failing at first.
	startPatience = 30 * time.Second
	// probePatience is what a probe may fail whatever its period and threshold say, before
	// that is worth a word.
	probePatience = 10 * time.Second
	// createPatience covers a slow pull, an attaching volume and init containers at
	// work: none of them has a limit of its own.
	createPatience = 5 * time.Minute
	// reportPatience is what the kubelet and controllers may take to report what is so.
	reportPatience = 10 * time.Second
)

// Unready says how far a pod is from taking traffic, and why in a few words that name
// no pod: "container web is in CrashLoopBackOff".
func (s *Snapshot) Unready(pod *corev1.Pod) (stage Stage, why string) {
	if pod.DeletionTimestamp != nil || PodFinished(pod) || PodReady(pod) {
		return Ready, ""
	}
	if c := PodCondition(pod, corev1.PodScheduled); pod.Spec.NodeName == "" && c != nil && c.Status == corev1.ConditionFalse {
		if c.Reason == corev1.PodReasonSchedulingGated {
			return Stuck, "a scheduling gate holds it"
		}
		return stageAfter(s.Since(c.LastTransitionTime.Time), 0), "no node takes it"
	}
	if pod.Spec.NodeName == "" {
		// An unknown scheduler's pod has no condition at all.
		return stageAfter(s.Since(pod.CreationTimestamp.Time), startPatience), "no scheduler takes it"
	}
	running, unready := true, ""
	stage = Starting
	for _, status := range ContainerStatuses(pod) {
		switch s.ContainerFault(pod, status) {
		case NoFault:
		case ReadyFault:
			if st, w := s.unreadyContainer(pod, status); st > stage || unready == "" {
				stage, unready = st, w
			}
		default:
			return Stuck, fmt.Sprintf("container %s %s", status.Name, stateWords(status))
		}
		running = running && (status.State.Running != nil || status.State.Terminated != nil)
	}
	switch {
	case unready != "":
		return stage, unready
	case running && len(pod.Status.ContainerStatuses) > 0:
		return s.closedGate(pod)
	}
	if s.Since(pod.CreationTimestamp.Time) > createPatience {
		return Stuck, "its containers do not start"
	}
	return Starting, "its containers are being started"
}

func stageAfter(since, patience time.Duration) Stage {
	switch {
	case since < patience:
		return Starting
	case since < startPatience:
		return Late
	}
	return Stuck
}

// unreadyContainer judges a container that runs and is not ready by the patience of its
// own probes.
func (s *Snapshot) unreadyContainer(pod *corev1.Pod, status corev1.ContainerStatus) (Stage, string) {
	since := s.Since(status.State.Running.StartedAt.Time)
	spec, _, ok := Container(&pod.Spec, status.Name)
	if !ok {
		return stageAfter(since, reportPatience), fmt.Sprintf("container %s is not ready", status.Name)
	}
	started := status.Started == nil || *status.Started
	if spec.StartupProbe != nil && !started {
		return stageAfter(since, patience(spec.StartupProbe)), fmt.Sprintf("the startup probe of container %s does not succeed", status.Name)
	}
	if spec.ReadinessProbe != nil {
		return stageAfter(since, patience(spec.ReadinessProbe)), fmt.Sprintf("the readiness probe of container %s fails", status.Name)
	}
	return stageAfter(since, reportPatience), fmt.Sprintf("container %s is not ready", status.Name)
}

// patience is how long a probe may fail before it counts, with the API's defaults
// (k8s.io/kubernetes pkg/apis/core/v1/defaults.go, SetDefaults_Probe).
func patience(p *corev1.Probe) time.Duration {
	period, threshold := p.PeriodSeconds, p.FailureThreshold
	if period == 0 {
		period = 10
	}
	if threshold == 0 {
		threshold = 3
	}
	return max(time.Duration(p.InitialDelaySeconds+period*threshold)*time.Second, probePatience)
}

// closedGate judges a pod whose containers are all ready: a readiness gate is closed, or
// the status is about to change.
func (s *Snapshot) closedGate(pod *corev1.Pod) (Stage, string) {
	ready := PodCondition(pod, corev1.ContainersReady)
	since := s.Since(pod.CreationTimestamp.Time)
	if ready != nil {
		since = s.Since(ready.LastTransitionTime.Time)
	}
	for _, gate := range pod.Spec.ReadinessGates {
		if c := PodCondition(pod, gate.ConditionType); c == nil || c.Status != corev1.ConditionTrue {
			return stageAfter(since, reportPatience), fmt.Sprintf("the readiness gate %s is not true", gate.ConditionType)
		}
	}
	return stageAfter(since, reportPatience), "it is not ready"
}

// stateWords say in which state a container that failed stands.
func stateWords(status corev1.ContainerStatus) string {
	if w := status.State.Waiting; w != nil && w.Reason != "" {
		return "is in " + w.Reason
	}
	if end, _ := End(status); end != nil {
		if end.Reason == "OOMKilled" {
			return "is OOM-killed"
		}
		return fmt.Sprintf("exits with code %d", end.ExitCode)
	}
	return "crashes"
}
