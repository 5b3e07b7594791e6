package probes

import (
	"reflect"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A trouble is one container whose probe fails now.
type trouble struct {
	pod       *corev1.Pod
	status    corev1.ContainerStatus
	container *corev1.Container
	subject   analyzers.Ref
	which     string // the probe
	probe     *corev1.Probe
	failure   failure
	unhealthy *corev1.Event // the newest failed try; nil when no event is left
	kill      *corev1.Event // with which the kubelet killed it; nil while it runs unready
	// since is when the container became unready, or when it was last killed.
	since time.Time
	// early tells that it may still come up by itself: worth a word, not an alarm.
	early bool
	log   cluster.Log // of the run that the failure is about
	lines []string
	heard []listener
}

const (
	// minimum is how long nothing at all is said about a container that is not ready yet,
	// proven if the log shows that its probe cannot pass; grace is for how long it is no
	// error. If the probe allows more, so do both.
	minimum, proven, grace = 8 * time.Second, 5 * time.Second, 30 * time.Second
	// starting is for how long a program that does not listen yet may be at its start. Half
	// of the programs on the JVM take longer than the default probe allows.
	starting = 2 * time.Minute
	// rolling is for how long a new revision may take while the old one serves.
	rolling = time.Minute
	// recent is how long after its last end a container counts as being restarted: the
	// longest back-off is 5 minutes (k8s.io/kubernetes pkg/kubelet/kubelet.go).
	recent = 10 * time.Minute
)

// troubles finds each container that a probe keeps from its work: killed again and again,
// or running and not ready for longer than a start takes.
func troubles(p *analyzers.Pass) []trouble {
	return cluster.Derive(p.Snapshot, "probes.troubles", func() []trouble { return findTroubles(p) })
}

func findTroubles(p *analyzers.Pass) []trouble {
	var out []trouble
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if pod.DeletionTimestamp != nil || cluster.PodFinished(pod) {
			continue
		}
		for _, status := range cluster.ContainerStatuses(pod) {
			container, init, ok := cluster.Container(&pod.Spec, status.Name)
			if !ok || init && !cluster.IsSidecar(container) {
				continue
			}
			t := trouble{pod: pod, status: status, container: container, subject: p.Root(pod)}
			if t.killed(p) || t.unready(p) {
				if !t.mended(p) {
					out = append(out, t)
				}
			}
		}
	}
	return out
}

// killed reports whether a liveness or startup probe restarts the container, and still
// does. One kill, after which the container is well, is over.
func (t *trouble) killed(p *analyzers.Pass) bool {
	which, ev, ok := p.EndedByProbe(t.pod, t.status)
	if !ok {
		return false
	}
	t.which, t.probe, t.kill, t.since = which, probeOf(t.container, which), ev, cluster.EventTime(ev)
	if end, _ := cluster.End(t.status); end != nil && end.FinishedAt.After(t.since) {
		t.since = end.FinishedAt.Time
	}
	if t.probe == nil || p.Since(t.since) > recent {
		return false
	}
	t.try(p, time.Time{})
	if t.status.State.Running == nil {
		t.read(p)
		return t.status.State.Terminated != nil || t.status.State.Waiting != nil && t.status.State.Waiting.Reason == "CrashLoopBackOff"
	}
	start := t.status.State.Running.StartedAt.Time
	again := t.unhealthy != nil && cluster.EventTime(t.unhealthy).Sub(start) > time.Duration(t.probe.InitialDelaySeconds)*time.Second+time.Second
	last := t.status.LastTerminationState.Terminated
	if last == nil {
		return false
	}
	t.read(p)
	enough := max(budget(t.probe)+grace, 3*cluster.LastRun(last))
	return again || t.status.RestartCount > 1 && p.Since(start) < enough
}

// unready reports whether the container runs and its readiness probe fails, beyond what a
// start takes.
func (t *trouble) unready(p *analyzers.Pass) bool {
	if t.status.State.Running == nil || p.Crashing(t.pod, t.status) || p.ContainerFault(t.pod, t.status) != cluster.ReadyFault {
		return false
	}
	t.which, t.probe, t.kill = readiness, t.container.ReadinessProbe, nil
	// Without a readiness probe, or before the startup probe has passed, it is not its turn.
	if t.probe == nil || t.status.Started != nil && !*t.status.Started {
		return false
	}
	t.since = t.status.State.Running.StartedAt.Time
	if c := cluster.PodCondition(t.pod, corev1.PodReady); c != nil && c.LastTransitionTime.After(t.since) {
		t.since = c.LastTransitionTime.Time // it was ready before
	}
	t.try(p, t.status.State.Running.StartedAt.Time)
	t.read(p)
	_, local := t.local()
	_, elsewhere := t.right(p)
	cannot := local || elsewhere
	unready, allowed := p.Since(t.since), budget(t.probe)
	if cannot && unready < proven || !cannot && unready < max(minimum, allowed) || t.unhealthy == nil && unready < starting {
		return false
	}
	if _, came := p.Regression(t.pod); came && unready < max(rolling, 2*allowed) && !overdue(p, t.pod) {
		return false
	}
	t.early = unready < max(grace, allowed) || t.failure.mode == refused && !cannot && unready < starting
	return true
}

// overdue reports whether the pod's Deployment has given up its rollout.
func overdue(p *analyzers.Pass, pod *corev1.Pod) bool {
	d, ok := p.RootObject(pod).(*appsv1.Deployment)
	if !ok {
		return false
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			return true
		}
	}
	return false
}

// try finds the newest failed try of the probe since a time.
func (t *trouble) try(p *analyzers.Pass, since time.Time) {
	prefix := strings.ToUpper(t.which[:1]) + t.which[1:] + " probe "
	ev, ok := p.LastEvent(t.pod, func(ev *corev1.Event) bool {
		path := ev.InvolvedObject.FieldPath
		return strings.HasPrefix(ev.Message, prefix) && (path == "" || strings.HasSuffix(path, "{"+t.status.Name+"}")) && !cluster.EventTime(ev).Before(since)
	}, "Unhealthy")
	if ok {
		t.unhealthy, t.failure = ev, fails(ev.Message, t.probe)
	}
}

// mended reports whether the workload's template already has another probe than the pod:
// a rollout is about to replace the pod. A StatefulSet is not sure to do so.
func (t *trouble) mended(p *analyzers.Pass) bool {
	workload := p.RootObject(t.pod)
	if workload == nil || t.subject.Kind != "Deployment" && t.subject.Kind != "DaemonSet" {
		return false
	}
	template, ok := cluster.Template(workload)
	if !ok {
		return false
	}
	c, _, ok := cluster.Container(&template.Spec, t.status.Name)
	return ok && !reflect.DeepEqual(probeOf(c, t.which), t.probe)
}

// read takes the log of the run that the failure is about: the one that was killed, else
// the present one. What a program listens on it says at its start, so the other run's log
// serves as well.
func (t *trouble) read(p *analyzers.Pass) {
	t.lines, t.heard = nil, nil
	for _, previous := range []bool{t.kill != nil, t.kill == nil} {
		l, ok := p.Log(t.pod, t.status.Name, previous)
		if !ok || strings.Contains(l.Text, "unable to retrieve container logs for ") {
			continue
		}
		if t.lines == nil {
			t.log, t.lines = l, l.Lines()
		}
		t.heard = append(t.heard, listeners(l.Lines())...)
	}
}

// code is the one that a trouble has.
func (t *trouble) code() analyzers.Code {
	if t.failure.mode == slow || t.failure.mode == missing {
		return execProbe
	}
	if _, ok := t.local(); ok {
		return bindsLocalhost
	}
	if t.kill != nil {
		return livenessKills
	}
	return readinessFailing
}

// local is the line that shows that the program listens on the probe's port, and for the
// pod itself only.
func (t *trouble) local() (listener, bool) {
	if t.failure.mode != refused {
		return listener{}, false
	}
	number, ok := port(t.probe, t.container)
	if !ok {
		return listener{}, false
	}
	return closed(t.heard, number)
}

// each calls report for the troubles that have this code.
func each(p *analyzers.Pass, code analyzers.Code, report func(*trouble)) {
	for _, t := range troubles(p) {
		if t.code().ID == code.ID {
			report(&t)
		}
	}
}
