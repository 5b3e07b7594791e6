package crashes

import (
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	// A sidecar may take a moment to notice that the work is done.
	sidecarEnds, sidecarOverdue = 30 * time.Second, 2 * time.Minute
	// A container that does not look like a sidecar may be the slower of two workers.
	workerOverdue = 10 * time.Minute
)

// SidecarBlocks reports pods of Jobs in which the work is done and a container that serves
// it goes on, so that the pod never ends. A native sidecar is ended by the kubelet and no
// subject.
var SidecarBlocks = &analyzers.Analyzer{
	Name:  "crashes/sidecar-blocks",
	Doc:   "Jobs whose work is done and whose pod a sidecar keeps running",
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{sidecarBlocks},
	Run: func(p *analyzers.Pass) error {
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			ref, _, ok := p.Owner(pod)
			if ok && ref.Kind == "Job" && ref.GroupKind().Group == batchv1.GroupName && pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning {
				reportSidecar(p, pod)
			}
		}
		return nil
	},
}

func reportSidecar(p *analyzers.Pass, pod *corev1.Pod) {
	var done, running []corev1.ContainerStatus
	for _, status := range pod.Status.ContainerStatuses {
		switch end := status.State.Terminated; {
		case end != nil && end.ExitCode == 0:
			done = append(done, status)
		case status.State.Running != nil:
			running = append(running, status)
		default: // one that failed or waits decides the Job in its own way
			return
		}
	}
	if len(done) == 0 || len(running) == 0 {
		return
	}
	last := done[0]
	for _, status := range done {
		if status.State.Terminated.FinishedAt.After(last.State.Terminated.FinishedAt.Time) {
			last = status
		}
	}
	since := last.State.Terminated.FinishedAt.Time
	for _, status := range running {
		c := newCrash(p.Snapshot, pod, status)
		idle := p.Since(since)
		serves := sidecar(c.container)
		if serves && idle < sidecarEnds || !serves && idle < workerOverdue {
			continue
		}
		f := analyzers.Finding{
			Code: sidecarBlocks, Subject: c.subject, Part: status.Name, Affected: []analyzers.Ref{cluster.RefOf(pod)},
			Summary: analyzers.Line(fmt.Sprintf("Container %s keeps running, so the Job never completes although its work is done", status.Name), analyzers.MaxSummary),
			Evidence: []analyzers.Evidence{
				{Source: cluster.RefOf(pod).String(), Path: "status.containerStatuses[" + last.Name + "].state.terminated", Quote: "container " + last.Name + ": exitCode: 0, reason: " + last.State.Terminated.Reason, At: since},
				{Source: cluster.RefOf(pod).String(), Path: "status.containerStatuses[" + status.Name + "].state.running.startedAt", Quote: "container " + status.Name + ": startedAt: " + status.State.Running.StartedAt.UTC().Format(time.RFC3339), At: status.State.Running.StartedAt.Time},
			},
			Fixes: sidecarFixes(p, c),
		}
		if idle < sidecarOverdue || !serves {
			f.Severity = analyzers.Warning
		}
		p.Report(f)
	}
}

// sidecar reports whether a container looks like one that serves others: it listens, is
// probed, or is one of the well-known proxies and agents.
func sidecar(c *corev1.Container) bool {
	if len(c.Ports) > 0 || c.ReadinessProbe != nil || c.LivenessProbe != nil {
		return true
	}
	text := c.Name + " " + c.Image
	for _, known := range []string{"proxy", "envoy", "vault-agent", "fluent", "filebeat", "promtail", "otel", "sidecar", "agent", "vector"} {
		if strings.Contains(text, known) {
			return true
		}
	}
	return false
}

func sidecarFixes(p *analyzers.Pass, c crash) []analyzers.Fix {
	native := analyzers.Fix{Why: fmt.Sprintf("Make %s a native sidecar, which ends with the work: put it under initContainers with restartPolicy: Always", c.status.Name)}
	if c.subject.Kind == "CronJob" { // the template of a Job cannot be changed
		native.Argv = p.Kubectl(c.subject.Namespace, "edit", c.subject.Short())
	}
	end := []string{"exec", c.pod.Name, "-c", c.status.Name, "--", "kill", "-TERM", "1"}
	if c.status.Name == "istio-proxy" {
		end = []string{"exec", c.pod.Name, "-c", c.status.Name, "--", "pilot-agent", "request", "POST", "quitquitquit"}
	}
	return []analyzers.Fix{native, {Why: "End the sidecar of this run, so that the Job completes", Argv: p.Kubectl(c.pod.Namespace, end...)}}
}
