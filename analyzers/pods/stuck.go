package pods

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Stuck reports pods that stand in ContainerCreating on their node and quotes the newest
// warning about them. What stands behind it, a volume, the network, the node, is for
// other checks: this one says that it hurts, and is all there is when they know nothing.
var Stuck = &analyzers.Analyzer{
	Name:  "pods/stuck",
	Doc:   "pods that are stuck on their node before their containers start",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{stuckCreating},
	Run: func(p *analyzers.Pass) error {
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if pod.DeletionTimestamp == nil && !cluster.PodFinished(pod) && pod.Spec.NodeName != "" && creating(pod) {
				reportStuck(p, pod)
			}
		}
		return nil
	},
}

// creating reports whether the kubelet has not begun with any container of the pod.
func creating(pod *corev1.Pod) bool {
	return !slices.ContainsFunc(cluster.ContainerStatuses(pod), tried)
}

// configMissing is a volume whose ConfigMap or Secret is missing or lacks a key
// (k8s.io/kubernetes pkg/volume/configmap, pkg/volume/secret): config reports it at once.
var configMissing = regexp.MustCompile(`(?:configmap|secret) "[^"]+" not found|references non-existent (?:config|secret) key`)

func reportStuck(p *analyzers.Pass, pod *corev1.Pod) {
	w := walk{s: p.Snapshot, pod: pod, created: pod.CreationTimestamp.Time}
	w.scheduled()
	early := p.Since(w.scheduledAt) < patience
	if early && (p.Since(w.scheduledAt) < patience/2 || tries(p, pod) < manyTries) {
		return
	}
	source := cluster.RefOf(pod).String()
	var evidence []analyzers.Evidence
	summary := "Pods stay in ContainerCreating, and no event says why"
	ev, ok := p.LastEvent(pod, nil, slices.Concat(volumeReasons, sandboxReasons, []string{"Pulling", "Failed", "FailedSync", "SuccessfulAttachVolume"})...)
	switch {
	case ok && ev.Reason == "Pulling":
		return // the images area watches pulls
	case ok && configMissing.MatchString(ev.Message):
		return
	case ok && ev.Type == corev1.EventTypeWarning:
		summary = inBrief("Pods stay in ContainerCreating ("+ev.Reason+"): ", ev.Message, pod)
		evidence = append(evidence, analyzers.Evidence{Source: "Event on " + source, Path: ev.Reason, Quote: analyzers.Quote(ev.Message), At: cluster.EventTime(ev)})
	}
	c := cluster.PodCondition(pod, corev1.PodReadyToStartContainers)
	switch {
	case c != nil && c.Status == corev1.ConditionTrue:
		evidence = append(evidence, analyzers.Evidence{Source: source, Path: "status.containerStatuses[].state.waiting.reason", Quote: "ContainerCreating"})
	case c != nil:
		evidence = append(evidence, analyzers.Evidence{Source: source, Path: "status.conditions[PodReadyToStartContainers]", Quote: analyzers.Quote(c.Message), At: c.LastTransitionTime.Time})
	}
	evidence = append(evidence, analyzers.Evidence{Source: source, Path: "spec.nodeName", Quote: "nodeName: " + pod.Spec.NodeName, At: w.scheduledAt})
	var severity analyzers.Severity
	if early {
		severity = analyzers.Warning
	}
	p.Report(analyzers.Finding{
		Code: stuckCreating, Severity: severity, Subject: p.Root(pod), Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary: summary, Evidence: evidence,
		Fixes: []analyzers.Fix{{
			Why:  "Show all events of the pod, the newest last",
			Argv: p.Kubectl(pod.Namespace, "events", "--for", "pod/"+pod.Name),
		}},
	})
}

// manyTries of the kubelet within a minute, with longer and longer pauses between them,
// are more than a driver or network needs that has just been started on its node.
const manyTries = 5

// tries counts the warnings about the pod's volumes and sandbox. Each may be an event of
// its own, as the messages differ.
func tries(p *analyzers.Pass, pod *corev1.Pod) int32 {
	var n int32
	for _, ev := range p.EventsFor(pod) {
		if ev.Type == corev1.EventTypeWarning && (slices.Contains(volumeReasons, ev.Reason) || slices.Contains(sandboxReasons, ev.Reason)) {
			n += cluster.EventCount(ev)
		}
	}
	return n
}

const maxSummary = 160

// frames is what runtimes put before the error itself, and the sandbox's id.
var frames = regexp.MustCompile(`"?\b[0-9a-f]{64}\b"?|rpc error: code = \w+ desc = |Failed to create pod sandbox: |failed to create containerd task: |failed to create shim task: |OCI runtime create failed: |runc create failed: |unable to start container process: |: unknown$`)

// inBrief is a summary with as much of a message as fits, without what names one pod.
func inBrief(lead, message string, pod *corev1.Pod) string {
	message = frames.ReplaceAllString(message, "")
	for _, own := range []string{pod.Name, string(pod.UID)} {
		if own != "" {
			message = strings.ReplaceAll(message, own, "…")
		}
	}
	text := lead + oneLine(message)
	if r := []rune(text); len(r) > maxSummary {
		text = string(r[:maxSummary-1]) + "…"
	}
	return text
}
