package cluster

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// nearEnd is how far a failed try of a probe may lie from the end that it led to.
const nearEnd = 2 * time.Minute

// EndedByProbe is KilledByProbe for a container that has been restarted for long. The
// kubelet's events about one pod are thinned out after the first 25, to one in 5 minutes
// for all reasons together (k8s.io/client-go tools/record/events_cache.go), so that the
// newest kill may have left none. An end as by a kill, after a run of the length that the
// probe allows, then counts as one if an older event tells of such a kill or a failed try
// lies near the end.
func (s *Snapshot) EndedByProbe(pod *corev1.Pod, status corev1.ContainerStatus) (probe string, ev *corev1.Event, ok bool) {
	if probe, ev, ok = s.KilledByProbe(pod, status); ok {
		return probe, ev, true
	}
	end, _ := End(status)
	c, _, found := Container(&pod.Spec, status.Name)
	if end == nil || !found || end.Reason == "OOMKilled" || status.RestartCount <= fewRestarts {
		return "", nil, false
	}
	// 128+SIGKILL, 128+SIGTERM, or the exit code of a program that stops when asked to.
	if code := end.ExitCode; code != 137 && code != 143 && code != 0 {
		return "", nil, false
	}
	for _, p := range []struct {
		name  string
		probe *corev1.Probe
	}{{"liveness", c.LivenessProbe}, {"startup", c.StartupProbe}} {
		if p.probe == nil || LastRun(end) < failsAfter(p.probe) {
			continue
		}
		title := strings.ToUpper(p.name[:1]) + p.name[1:]
		ev, ok := s.LastEvent(pod, func(ev *corev1.Event) bool {
			if ev.Reason == "Killing" {
				return killMessage(ev.Message, status.Name) == p.name
			}
			d := end.FinishedAt.Sub(EventTime(ev))
			return strings.HasSuffix(ev.InvolvedObject.FieldPath, "{"+status.Name+"}") && strings.HasPrefix(ev.Message, title+" probe ") && d < nearEnd && d > -nearEnd
		}, "Killing", "Unhealthy")
		if ok {
			return p.name, ev, true
		}
	}
	return "", nil, false
}

// failsAfter is the shortest run that a probe can put an end to: its first try may come at
// once, the others a period apart.
func failsAfter(p *corev1.Probe) time.Duration {
	period, tries := max(p.PeriodSeconds, 1), max(p.FailureThreshold, 1)
	return time.Duration(p.InitialDelaySeconds+period*(tries-1)) * time.Second
}
