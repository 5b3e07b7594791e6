package scheduling

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NoScheduler finds pods that no scheduler has looked at: there is no event, and no
// condition on them.
var NoScheduler = &analyzers.Analyzer{
	Name: "scheduling/no-scheduler",
	Doc: `pods that no scheduler looks at

There is neither an event nor the condition PodScheduled, and their scheduler has not
handled another pod since.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events, cluster.Leases},
	Emits: []analyzers.Code{schedulerDown},
	Run:   runNoScheduler,
}

const (
	// silence is how long a scheduler that is known to work may take for its first word.
	silence = 2 * time.Minute
	// unknownSilence is the same for one that nothing in the cluster knows of.
	unknownSilence = 15 * time.Second
	// busy is how long one may take that holds its Lease and so is alive.
	busy = 10 * time.Minute
	// lapsed is how old a renewal is when there is no leader any more: four times the
	// lease's default duration (k8s.io/component-base config/v1alpha1/defaults.go).
	lapsed = time.Minute
)

// leadership is what the Lease of the default scheduler's leader says.
type leadership struct {
	lease *coordinationv1.Lease // nil when there is none: leader election may be off
	lost  bool                  // it has not been renewed for too long
}

func leaderOf(s *cluster.Snapshot, scheduler string) leadership {
	lease, ok := cluster.Find[*coordinationv1.Lease](s, "kube-system", "kube-scheduler")
	if !ok || scheduler != corev1.DefaultSchedulerName || lease.Spec.RenewTime == nil || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		return leadership{}
	}
	return leadership{lease, s.Since(lease.Spec.RenewTime.Time) > lapsed}
}

func runNoScheduler(p *analyzers.Pass) error {
	var seen schedulers
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if !waits(p.Snapshot, pod) || cluster.PodCondition(pod, corev1.PodScheduled) != nil {
			continue
		}
		if _, ok := p.LastEvent(pod, nil, "FailedScheduling"); ok {
			continue
		}
		if seen == nil {
			seen = schedulersOf(p.Snapshot)
		}
		name := schedulerName(pod)
		s, known := seen[name]
		limit := silence
		if !known && !mentioned(p.Snapshot, name) {
			limit = unknownSilence
		}
		leader := leaderOf(p.Snapshot, name)
		switch {
		case leader.lost:
			limit = unknownSilence
		case leader.lease != nil:
			limit = busy
		}
		// One that has placed or refused another pod since is at work: this one has its
		// turn to come.
		if p.Since(pod.CreationTimestamp.Time) > limit && !s.After(pod.CreationTimestamp.Time) {
			p.Report(silentFinding(p, pod, name, known, seen, leader))
		}
	}
	return nil
}

func schedulerName(pod *corev1.Pod) string {
	if pod.Spec.SchedulerName == "" {
		return corev1.DefaultSchedulerName
	}
	return pod.Spec.SchedulerName
}

// schedulers are those that have said something, and when they last did.
type schedulers map[string]time.Time

func schedulersOf(s *cluster.Snapshot) schedulers {
	out := schedulers{}
	see := func(name string, at time.Time) {
		if have, ok := out[name]; !ok || at.After(have) {
			out[name] = at
		}
	}
	for pod := range cluster.All[*corev1.Pod](s) {
		c := cluster.PodCondition(pod, corev1.PodScheduled)
		// Static pods have the condition too, from the kubelet.
		if c != nil && c.Reason != corev1.PodReasonSchedulingGated && pod.Annotations[corev1.MirrorPodAnnotationKey] == "" {
			see(schedulerName(pod), c.LastTransitionTime.Time)
		}
	}
	for ev := range cluster.All[*corev1.Event](s) {
		if ev.Reason == "Scheduled" || ev.Reason == "FailedScheduling" {
			if name := ev.ReportingController; name != "" {
				see(name, cluster.EventTime(ev))
			} else if ev.Source.Component != "" {
				see(ev.Source.Component, cluster.EventTime(ev))
			}
		}
	}
	return out
}

// mentioned reports whether a pod looks like the scheduler of that name: it has been
// installed, and may be slow.
func mentioned(s *cluster.Snapshot, name string) bool {
	if name == corev1.DefaultSchedulerName {
		return true
	}
	for pod := range cluster.All[*corev1.Pod](s) {
		if pod.Spec.NodeName == "" {
			continue
		}
		if strings.Contains(pod.Name, name) {
			return true
		}
		for _, c := range pod.Spec.Containers {
			if strings.Contains(c.Image, name) || slices.ContainsFunc(append(slices.Clone(c.Command), c.Args...), func(a string) bool { return strings.Contains(a, name) }) {
				return true
			}
		}
	}
	return false
}

func silentFinding(p *analyzers.Pass, pod *corev1.Pod, name string, known bool, seen schedulers, leader leadership) analyzers.Finding {
	q := &inquiry{Pass: p, pod: pod, root: p.Root(pod), owner: p.RootObject(pod)}
	f := analyzers.Finding{
		Code: schedulerDown, Subject: q.root, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		CausedBy: []analyzers.Ref{{Kind: "Scheduler", Name: name}},
		Shared:   fmt.Sprintf("Scheduler %s handles no pods", name),
		Evidence: []analyzers.Evidence{{Source: cluster.RefOf(pod).String(), Path: "spec.schedulerName", Quote: "schedulerName: " + name + "; no condition PodScheduled, no event", At: pod.CreationTimestamp.Time}},
	}
	if name != corev1.DefaultSchedulerName && !known {
		f.Summary = fmt.Sprintf("Pod names scheduler %s, which has never handled a pod of this cluster", name)
		if near, ok := analyzers.Nearest(name, slices.Collect(maps.Keys(seen))); ok {
			f.Summary = fmt.Sprintf("Pod names scheduler %s, which does not run; %s was probably meant", name, near)
		}
		if !p.Sees(cluster.Pods, "") {
			f.Severity = analyzers.Warning
			f.Summary = fmt.Sprintf("Pod names scheduler %s, which has not looked at it", name)
		}
		f.Fixes = append(f.Fixes, q.change("Leave the pod to the default scheduler", map[string]any{"schedulerName": corev1.DefaultSchedulerName}))
	} else {
		f.Summary = fmt.Sprintf("Scheduler %s has not looked at the pod: it does not run, or cannot reach the API server", name)
		if at := seen[name]; !at.IsZero() {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Scheduler " + name, Path: "last pod handled", Quote: at.UTC().Format(time.RFC3339), At: at})
		}
		if !p.Sees(cluster.Pods, "") && !leader.lost {
			f.Severity = analyzers.Warning
		}
	}
	f = leader.tell(f)
	for _, s := range p.PodsWith("kube-system", map[string]string{"component": "kube-scheduler"}) {
		if name == corev1.DefaultSchedulerName && !cluster.PodReady(s) {
			f.CausedBy = append([]analyzers.Ref{cluster.RefOf(s)}, f.CausedBy...)
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(s).String(), Path: "status.phase", Quote: string(s.Status.Phase) + ", not ready"})
		}
	}
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show whether a scheduler of that name runs", Argv: p.Kubectl("", "get", "pods", "--all-namespaces", "-l", "component=kube-scheduler")})
	if name != corev1.DefaultSchedulerName {
		f.Fixes[len(f.Fixes)-1].Argv = p.Kubectl("", "get", "pods", "--all-namespaces")
	}
	return f
}

// tell adds what the Lease says to a finding.
func (l leadership) tell(f analyzers.Finding) analyzers.Finding {
	if l.lease == nil {
		return f
	}
	ref := cluster.RefOf(l.lease)
	f.Evidence = append(f.Evidence, analyzers.Evidence{
		Source: ref.String(), Path: "spec.renewTime", Quote: "renewTime: " + l.lease.Spec.RenewTime.UTC().Format(time.RFC3339), At: l.lease.Spec.RenewTime.Time,
	})
	if l.lost {
		f.Summary = "Scheduler default-scheduler has not looked at the pod: its leader has not renewed its Lease since " + l.lease.Spec.RenewTime.UTC().Format(time.RFC3339)
		f.CausedBy = append([]analyzers.Ref{ref}, f.CausedBy...)
	} else {
		f.Summary = "No scheduler has looked at the pod, although one holds its Lease: it may serve no profile called default-scheduler"
	}
	return f
}
