package crashes

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// initKilled is how runc words a limit too small for its own start-up (containerd passes
// it on in the container's end, or in the event about the pod's sandbox;
// opencontainers/runc libcontainer/process_linux.go).
const initKilled = "container init was OOM-killed"

// recentSandbox is how long an event about the sandbox stands for the present: the
// kubelet tries again every few seconds, but writes at most one such event in 5 minutes
// after the first 25 (k8s.io/client-go tools/record/events_cache.go).
const recentSandbox = 10 * time.Minute

func oomAtStart(p *analyzers.Pass, pod *corev1.Pod) {
	for _, status := range cluster.ContainerStatuses(pod) {
		if p.ContainerFault(pod, status) != cluster.StartFault {
			continue
		}
		message := ""
		if w := status.State.Waiting; w != nil {
			message = w.Message
		}
		c := newCrash(p.Snapshot, pod, status)
		if !strings.Contains(message, initKilled) {
			message = c.end.Message
		}
		if strings.Contains(message, initKilled) {
			reportStartOOM(p, c, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: c.path() + ".state", Quote: analyzers.QuoteHead(message), At: c.end.FinishedAt.Time})
			return
		}
	}
	if cond := cluster.PodCondition(pod, corev1.PodReadyToStartContainers); cond == nil || cond.Status == corev1.ConditionTrue {
		return
	}
	ev, ok := p.LastEvent(pod, nil, "FailedCreatePodSandBox", "FailedMount")
	if !ok || p.Since(cluster.EventTime(ev)) > recentSandbox || !strings.Contains(ev.Message, initKilled) && !noRoom(pod, ev) {
		return
	}
	if status, ok := smallest(pod); ok {
		reportStartOOM(p, newCrash(p.Snapshot, pod, status), analyzers.EventEvidence(cluster.RefOf(pod), ev))
	}
}

// noRoom reports whether an event tells that a volume in memory, such as that of the
// service account's token, is full before anything starts. The kubelet makes such volumes
// as large as the pod's memory limit (k8s.io/kubernetes pkg/volume/emptydir/empty_dir.go,
// calculateEmptyDirMemorySize). With a limit that a program can live with, it is the
// volume's own content, or the node's disk.
func noRoom(pod *corev1.Pod, ev *corev1.Event) bool {
	if ev.Reason != "FailedMount" || !strings.HasSuffix(ev.Message, "no space left on device") {
		return false
	}
	var sum resource.Quantity
	for i := range pod.Spec.Containers {
		q, ok := pod.Spec.Containers[i].Resources.Limits[corev1.ResourceMemory]
		if !ok {
			return false
		}
		sum.Add(q)
	}
	return sum.Value() < 1<<20
}

// smallest is the container with the smallest memory limit. The sandbox is held to the
// sum of all limits.
func smallest(pod *corev1.Pod) (status corev1.ContainerStatus, ok bool) {
	var least resource.Quantity
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		if q, has := c.Resources.Limits[corev1.ResourceMemory]; has && (!ok || q.Cmp(least) < 0) {
			least, ok = q, true
			status = corev1.ContainerStatus{Name: c.Name}
		}
	}
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == status.Name {
			status = s
		}
	}
	return status, ok
}

func reportStartOOM(p *analyzers.Pass, c crash, proof analyzers.Evidence) {
	limit, field, ok := memoryLimit(c.pod, c.container, c.status)
	if !ok {
		return
	}
	f := analyzers.Finding{
		Code: oomKilled, Subject: c.subject, Part: c.status.Name, Affected: []analyzers.Ref{cluster.RefOf(c.pod)},
		Summary:  analyzers.Line(fmt.Sprintf("%s cannot even start within its memory limit of %s%s", c.name(), limit.String(), unitHint(limit)), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{proof, {Source: cluster.RefOf(c.pod).String(), Path: field, Quote: "limits.memory: " + limit.String()}},
		Fixes:    raiseLimit(p, c, limit, field),
	}
	p.Report(f)
}
