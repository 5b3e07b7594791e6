package cluster

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// A run that has outlasted the one before by this factor shows that the container
	// has got over what ended the others.
	outlasts = 3
	// A run shorter than this shows nothing yet: after a few restarts, and after many. One
	// that a readiness probe finds well has shown more, however many came before it.
	briefRun, unprovenRun = 10 * time.Second, time.Minute
)

// Crashing reports whether a container is in a row of crashes now. It is CrashFault, seen
// with the length of the runs: one that runs again, and for much longer than before, has
// got over it (its database came up); one that has just been started for the second time
// after a crash has not.
func (s *Snapshot) Crashing(pod *corev1.Pod, status corev1.ContainerStatus) bool {
	fault := s.ContainerFault(pod, status)
	if status.State.Running == nil {
		return fault == CrashFault
	}
	last := status.LastTerminationState.Terminated
	if last == nil || startEnds[last.Reason] || status.RestartCount < fewRestarts || s.Since(last.FinishedAt.Time) > recentCrash {
		return false
	}
	enough := briefRun
	if status.RestartCount > fewRestarts && !foundReady(pod, status) {
		enough = unprovenRun
	}
	return s.Since(status.State.Running.StartedAt.Time) < max(enough, outlasts*LastRun(last))
}

// foundReady reports whether a readiness probe passes now; without one, a container is
// called ready as soon as it runs.
func foundReady(pod *corev1.Pod, status corev1.ContainerStatus) bool {
	c, _, ok := Container(&pod.Spec, status.Name)
	return ok && c.ReadinessProbe != nil && status.Ready
}

// LastRun is how long a run lasted that ended, zero when the times do not say.
func LastRun(end *corev1.ContainerStateTerminated) time.Duration {
	if end == nil || end.StartedAt.IsZero() || end.FinishedAt.Before(&end.StartedAt) {
		return 0
	}
	return end.FinishedAt.Sub(end.StartedAt.Time)
}
