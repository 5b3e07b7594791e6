package storage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Resize reports claims that ask for more than their volume has and do not get it.
var Resize = &analyzers.Analyzer{
	Name: "storage/resize",
	Doc: `claims whose volume does not grow to the size that they ask for

A resize that goes on is left alone, and so is one that waits for the next start of a pod
while no pod uses the claim.`,
	Needs: []schema.GroupKind{cluster.PersistentVolumeClaims, cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{resizeFailed},
	Run: func(p *analyzers.Pass) error {
		for pvc := range cluster.Scoped[*corev1.PersistentVolumeClaim](p.Snapshot) {
			want, have := pvc.Spec.Resources.Requests[corev1.ResourceStorage], pvc.Status.Capacity[corev1.ResourceStorage]
			if pvc.Status.Phase == corev1.ClaimBound && pvc.DeletionTimestamp == nil && !have.IsZero() && want.Cmp(have) > 0 {
				reportResize(p, pvc)
			}
		}
		return nil
	},
}

// growing is how long a resize may take before it is asked why.
const growing = 5 * time.Minute

func claimCondition(pvc *corev1.PersistentVolumeClaim, t corev1.PersistentVolumeClaimConditionType) *corev1.PersistentVolumeClaimCondition {
	i := slices.IndexFunc(pvc.Status.Conditions, func(c corev1.PersistentVolumeClaimCondition) bool {
		return c.Type == t && c.Status == corev1.ConditionTrue
	})
	if i < 0 {
		return nil
	}
	return &pvc.Status.Conditions[i]
}

func conditionEvidence(pvc *corev1.PersistentVolumeClaim, c *corev1.PersistentVolumeClaimCondition) analyzers.Evidence {
	return analyzers.Evidence{Source: cluster.RefOf(pvc).String(), Path: fmt.Sprintf("status.conditions[%s]", c.Type), Quote: analyzers.Quote(fmt.Sprintf("%s: %s %s", c.Type, c.Status, c.Message)), At: c.LastTransitionTime.Time}
}

// resizeReasons are the events of a failure (k8s.io/kubernetes pkg/kubelet/events/event.go;
// external-resizer pkg/util/events.go).
var resizeReasons = []string{"VolumeResizeFailed", "FileSystemResizeFailed"}

func reportResize(p *analyzers.Pass, pvc *corev1.PersistentVolumeClaim) {
	sizes := fmt.Sprintf("from %s to %s", size(pvc.Status.Capacity), size(pvc.Spec.Resources.Requests))
	f := analyzers.Finding{Code: resizeFailed, Subject: cluster.RefOf(pvc)}
	describe := analyzers.Fix{Why: "Show the claim's conditions and events", Argv: p.Kubectl(pvc.Namespace, "describe", "pvc", pvc.Name)}
	why, at, sure := refusal(p, pvc, &f)
	pending := claimCondition(pvc, corev1.PersistentVolumeClaimFileSystemResizePending)
	switch {
	case sure || why != "" && !at.IsZero():
		f.Summary = fmt.Sprintf("Volume of claim %s cannot grow %s: %s", pvc.Name, sizes, why)
		describe.Why = "Mend what the message names, or ask for a size that the driver can give: a claim may be set back as far as its present capacity"
		if strings.Contains(why, "detach") || strings.Contains(why, "offline") || strings.Contains(why, "in use") {
			describe.Why = "This driver grows a volume only while no pod uses it: end the pods for a moment; the command shows how it goes on"
		}
	case pending != nil:
		runs := slices.ContainsFunc(users(p, pvc.Namespace, pvc.Name), func(pod *corev1.Pod) bool {
			return pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil
		})
		if !runs || p.Since(pending.LastTransitionTime.Time) < 2*growing {
			return
		}
		f.Severity = analyzers.Warning
		f.Evidence = append(f.Evidence, conditionEvidence(pvc, pending))
		f.Summary = fmt.Sprintf("The disk of claim %s has grown, but not its file system: that waits for its pod to be started anew", pvc.Name)
		describe = restart(p, pvc, describe)
	default:
		ev, ok := p.LastEvent(pvc, nil, "ExternalExpanding")
		// k8s.io/kubernetes pkg/controller/volume/expand/expand_controller.go.
		if !ok || p.Since(first(ev)) < growing || claimCondition(pvc, corev1.PersistentVolumeClaimResizing) != nil {
			return
		}
		f.Severity = analyzers.Warning
		f.Evidence = append(f.Evidence, eventOn(pvc, ev))
		f.Summary = fmt.Sprintf("Volume of claim %s does not grow %s: no controller has taken that on", pvc.Name, sizes)
		describe = analyzers.Fix{Why: "Start the resizer of the volume's driver; volumes without one, such as local ones, cannot grow", Argv: p.Kubectl("", "describe", "pv", pvc.Spec.VolumeName)}
	}
	for _, pod := range users(p, pvc.Namespace, pvc.Name) {
		f.Affected = append(f.Affected, cluster.RefOf(pod))
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pvc).String(), Path: "status.capacity.storage", Quote: fmt.Sprintf("requests: %s, capacity: %s", size(pvc.Spec.Resources.Requests), size(pvc.Status.Capacity))})
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	f.Fixes = []analyzers.Fix{describe}
	p.Report(f)
}

func first(ev *corev1.Event) time.Time {
	if !ev.FirstTimestamp.IsZero() {
		return ev.FirstTimestamp.Time
	}
	return cluster.EventTime(ev)
}

func restart(p *analyzers.Pass, pvc *corev1.PersistentVolumeClaim, otherwise analyzers.Fix) analyzers.Fix {
	for _, pod := range users(p, pvc.Namespace, pvc.Name) {
		if root := p.Root(pod); cluster.RollsOut(root) {
			return analyzers.Fix{Why: "Start the pods anew, and the file system grows as the volume is mounted", Argv: p.Kubectl(root.Namespace, "rollout", "restart", root.Short())}
		}
	}
	return otherwise
}

// refusal is what the driver last said against the resize, from the claim's status, or
// else from the events about claim and pods. sure: the status itself tells that it failed.
func refusal(p *analyzers.Pass, pvc *corev1.PersistentVolumeClaim, f *analyzers.Finding) (why string, at time.Time, sure bool) {
	status := pvc.Status.AllocatedResourceStatuses[corev1.ResourceStorage]
	if strings.HasSuffix(string(status), "Infeasible") || strings.HasSuffix(string(status), "Failed") {
		sure = true
		why = "the driver says that it never can (" + string(status) + ")"
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pvc).String(), Path: "status.allocatedResourceStatuses.storage", Quote: string(status)})
	}
	for _, t := range []corev1.PersistentVolumeClaimConditionType{corev1.PersistentVolumeClaimControllerResizeError, corev1.PersistentVolumeClaimNodeResizeError} {
		if c := claimCondition(pvc, t); c != nil {
			_, text := rpc(c.Message)
			f.Evidence = append(f.Evidence, conditionEvidence(pvc, c))
			return brief(text), c.LastTransitionTime.Time, true
		}
	}
	ev, ok := lastResizeEvent(p, pvc)
	if !ok {
		return why, time.Time{}, sure
	}
	// A failure that was got over is followed by success, and the sizes agree then; one of
	// an earlier resize is older than the present one.
	if c := claimCondition(pvc, corev1.PersistentVolumeClaimResizing); c != nil && cluster.EventTime(ev).Before(c.LastTransitionTime.Time) {
		return why, time.Time{}, sure
	}
	if cluster.EventCount(ev) < 2 && p.Since(cluster.EventTime(ev)) < time.Minute {
		return why, time.Time{}, sure
	}
	_, text := rpc(forVolume.ReplaceAllString(ev.Message, ""))
	f.Evidence = append(f.Evidence, eventOn(pvc, ev))
	return brief(text), cluster.EventTime(ev), sure
}

func lastResizeEvent(p *analyzers.Pass, pvc *corev1.PersistentVolumeClaim) (*corev1.Event, bool) {
	best, ok := p.LastEvent(pvc, nil, resizeReasons...)
	for _, pod := range users(p, pvc.Namespace, pvc.Name) {
		ev, told := p.LastEvent(pod, func(ev *corev1.Event) bool { return subjectOf(ev.Message) == pvc.Spec.VolumeName }, resizeReasons...)
		if told && (!ok || cluster.EventTime(ev).After(cluster.EventTime(best))) {
			best, ok = ev, true
		}
	}
	if ok && p.Since(cluster.EventTime(best)) > time.Hour {
		return nil, false
	}
	return best, ok
}

// brief takes off what external-resizer puts before the driver's words (pkg/resizer/
// csi_resizer.go; pkg/controller/expand_and_recover.go).
func brief(text string) string {
	if _, words, ok := strings.Cut(text, " failed: "); ok {
		return words
	}
	return strings.TrimPrefix(text, "failed to expand pvc with ")
}
