package crashes

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A crash is one container that ran and ended when it should not have.
type crash struct {
	pod       *corev1.Pod
	status    corev1.ContainerStatus
	container *corev1.Container
	init      bool // runs before the others; a native sidecar is none
	end       *corev1.ContainerStateTerminated
	current   bool // end is the present state, not the one before
	subject   analyzers.Ref
}

// crashed lists the crashes that checks report about. A container that a probe killed did
// not crash; the kill says nothing about what its last log line says.
func crashed(p *analyzers.Pass) []crash {
	var out []crash
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if pod.DeletionTimestamp != nil || !p.Stands(pod) {
			continue
		}
		for _, status := range cluster.ContainerStatuses(pod) {
			if !p.Crashing(pod, status) {
				continue
			}
			if _, _, ok := p.EndedByProbe(pod, status); ok || unstarted(p, pod, status) {
				continue
			}
			out = append(out, newCrash(p.Snapshot, pod, status))
		}
	}
	return out
}

// unstarted reports whether package config tells of this end: the kubelet killed the
// container because its postStart hook failed, or a shell could not run the command.
func unstarted(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus) bool {
	if cluster.PodFinished(pod) || p.ContainerFault(pod, status) != cluster.CrashFault {
		return false
	}
	_, hook := p.KilledByHook(pod, status)
	_, shell := p.Unrunnable(pod, status)
	return hook || shell
}

func newCrash(s *cluster.Snapshot, pod *corev1.Pod, status corev1.ContainerStatus) crash {
	c := crash{pod: pod, status: status, subject: s.Root(pod)}
	container, init, ok := cluster.Container(&pod.Spec, status.Name)
	if !ok {
		container = &corev1.Container{Name: status.Name}
	}
	c.container, c.init = container, init && !cluster.IsSidecar(container)
	if c.end, c.current = cluster.End(status); c.end == nil {
		c.end = &corev1.ContainerStateTerminated{ExitCode: -1}
	}
	return c
}

// restarts reports whether the kubelet starts the container again when it ends well.
func (c crash) restarts() bool {
	if r := c.container.RestartPolicy; r != nil {
		return *r == corev1.ContainerRestartPolicyAlways
	}
	return !c.init && (c.pod.Spec.RestartPolicy == corev1.RestartPolicyAlways || c.pod.Spec.RestartPolicy == "")
}

// finding is the part that all findings about a crash have in common. One crash of a
// container that has not been restarted yet may be the only one.
func (c crash) finding(code analyzers.Code, summary string, evidence ...analyzers.Evidence) analyzers.Finding {
	f := analyzers.Finding{
		Code: code, Subject: c.subject, Part: c.status.Name, Affected: []analyzers.Ref{cluster.RefOf(c.pod)},
		Summary: analyzers.Line(summary, analyzers.MaxSummary), Evidence: append(evidence, c.facts()...),
	}
	if c.status.RestartCount == 0 && !cluster.PodFinished(c.pod) && c.pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
		f.Severity = analyzers.Warning
	}
	return f
}

// facts are exit code, reason and restarts.
func (c crash) facts() []analyzers.Evidence {
	source, path := cluster.RefOf(c.pod).String(), c.path()
	var out []analyzers.Evidence
	if c.end.ExitCode >= 0 {
		state := ".lastState.terminated"
		if c.current {
			state = ".state.terminated"
		}
		quote := fmt.Sprintf("exitCode: %d", c.end.ExitCode)
		if c.end.Reason != "" {
			quote += ", reason: " + c.end.Reason
		}
		out = append(out, analyzers.Evidence{Source: source, Path: path + state, Quote: quote, At: c.end.FinishedAt.Time})
	}
	if c.status.RestartCount > 0 {
		quote := fmt.Sprintf("restartCount: %d", c.status.RestartCount)
		if t := c.pod.Status.StartTime; t != nil {
			quote += " since " + t.UTC().Format(time.RFC3339)
		}
		out = append(out, analyzers.Evidence{Source: source, Path: path + ".restartCount", Quote: quote})
	}
	return out
}

// path is the field of the container's status.
func (c crash) path() string {
	list := "containerStatuses"
	for _, s := range c.pod.Status.InitContainerStatuses {
		if s.Name == c.status.Name {
			list = "initContainerStatuses"
		}
	}
	return "status." + list + "[" + c.status.Name + "]"
}

// name is how a summary calls the container.
func (c crash) name() string {
	if c.init {
		return "Init container " + c.status.Name
	}
	return "Container " + c.status.Name
}

// rollback is the way back when the crash came with the newest revision and the one before
// still runs well; ok is false otherwise.
func (c crash) rollback(p *analyzers.Pass) (fix analyzers.Fix, ok bool) {
	bad, ok := p.Regression(c.pod)
	if !ok {
		return fix, false
	}
	return analyzers.Fix{
		Why:  fmt.Sprintf("Roll back revision %d, which brought the crash; the one before still runs well", bad),
		Argv: p.Kubectl(c.subject.Namespace, "rollout", "undo", c.subject.Short()),
	}, true
}

// readLog is the command that shows the log of the run that ended.
func (c crash) readLog(p *analyzers.Pass, why string) analyzers.Fix {
	args := []string{"logs", c.pod.Name, "-c", c.status.Name, "--tail=100"}
	if !c.current && c.status.State.Running != nil {
		args = append(args, "--previous")
	}
	return analyzers.Fix{Why: why, Argv: p.Kubectl(c.pod.Namespace, args...)}
}

// ends says how the process ended, as the verb of a summary.
func (c crash) ends() string {
	switch code := c.end.ExitCode; {
	case code < 0:
		return "is restarted again and again"
	case signalOf(code) != "":
		return fmt.Sprintf("is ended by %s (exit code %d)", signalOf(code), code)
	default:
		return fmt.Sprintf("exits with code %d", code)
	}
}
