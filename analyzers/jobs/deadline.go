package jobs

import (
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// deadline explains a Job that was ended by its own deadline. Its pods are deleted with
// that: only their events tell whether they worked or never came to it.
func deadline(p *analyzers.Pass, job *batchv1.Job, f *analyzers.Finding) {
	limit := time.Duration(0)
	if s := job.Spec.ActiveDeadlineSeconds; s != nil {
		limit = time.Duration(*s) * time.Second
	}
	ref := cluster.RefOf(job)
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref.String(), Path: "spec.activeDeadlineSeconds", Quote: fmt.Sprintf("activeDeadlineSeconds: %d", int(limit.Seconds()))})
	f.Summary = fmt.Sprintf("Job was ended by its deadline of %s", limit)
	switch ev, started := podEvents(p, job); {
	case started:
		f.Summary += " while it was at work"
		f.Fixes = []analyzers.Fix{longer(p, job, limit)}
	case ev != nil:
		f.Summary += fmt.Sprintf(" before its pod had started (%s)", ev.Reason)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Event on Pod " + job.Namespace + "/" + ev.InvolvedObject.Name, Path: ev.Reason, Quote: analyzers.QuoteHead(ev.Message), At: cluster.EventTime(ev)})
		f.Fixes = []analyzers.Fix{{Why: "Mend what kept the pod from starting; the deadline counts from the Job's start", Argv: p.Kubectl(job.Namespace, "describe", "job", job.Name)}, longer(p, job, limit)}
	default:
		f.Fixes = []analyzers.Fix{longer(p, job, limit)}
	}
	if job.Status.Failed > 1 {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref.String(), Path: "status.failed", Quote: fmt.Sprintf("failed: %d", job.Status.Failed)})
	}
}

// podEvents looks through the events of a Job's pods, which are gone: the last Warning,
// and whether a container was started. The kubelet says "Container started", before 1.36
// "Started container x" (k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go).
func podEvents(p *analyzers.Pass, job *batchv1.Job) (last *corev1.Event, started bool) {
	for _, ev := range eventsOfPods(p.Snapshot)[job.Namespace+"/"+job.Name] {
		if job.Status.StartTime != nil && cluster.EventTime(ev).Before(job.Status.StartTime.Time) {
			continue
		}
		started = started || ev.Reason == "Started" && strings.Contains(ev.InvolvedObject.FieldPath, "spec.containers{")
		if ev.Type == corev1.EventTypeWarning && (last == nil || cluster.EventTime(ev).After(cluster.EventTime(last))) {
			last = ev
		}
	}
	return last, started
}

// eventsOfPods are the events about pods by the name of the Job that may have made them:
// the pod's without its random end, and without an index before that.
func eventsOfPods(s *cluster.Snapshot) map[string][]*corev1.Event {
	return cluster.Derive(s, "jobs.pod-events", func() map[string][]*corev1.Event {
		out := map[string][]*corev1.Event{}
		for ev := range cluster.All[*corev1.Event](s) {
			if ev.InvolvedObject.Kind != "Pod" {
				continue
			}
			name := ev.InvolvedObject.Name
			for range 2 {
				i := strings.LastIndexByte(name, '-')
				if i < 0 {
					break
				}
				name = name[:i]
				out[ev.Namespace+"/"+name] = append(out[ev.Namespace+"/"+name], ev)
			}
		}
		return out
	})
}

func longer(p *analyzers.Pass, job *batchv1.Job, limit time.Duration) analyzers.Fix {
	fix := analyzers.Fix{Why: "Give it more time than the work takes (activeDeadlineSeconds)"}
	if root := p.Root(job); root.Kind == "CronJob" {
		patch := fmt.Sprintf(`{"spec":{"jobTemplate":{"spec":{"activeDeadlineSeconds":%d}}}}`, int(limit.Seconds())*4)
		fix.Argv = p.Kubectl(job.Namespace, "patch", root.Short(), "--type", "strategic", "-p", patch)
	}
	return fix
}
