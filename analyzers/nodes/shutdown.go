package nodes

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// EndedByShutdown finds pods that a node's shutdown has ended and that nothing replaces.
var EndedByShutdown = &analyzers.Analyzer{
	Name: "nodes/ended-by-shutdown",
	Doc: `pods without a controller that a node's shutdown has ended

Those of a Deployment or Job have been replaced; the failed ones stay as a trace until
they are collected.`,
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{shutDown},
	Run: func(p *analyzers.Pass) error {
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if pod.Status.Phase == corev1.PodFailed && endedByShutdown(pod) && pod.DeletionTimestamp == nil && p.Root(pod) == cluster.RefOf(pod) && !ofNode(pod) {
				p.Report(endedFinding(p, pod))
			}
		}
		return nil
	},
}

// endedByShutdown: k8s.io/kubernetes pkg/kubelet/nodeshutdown/nodeshutdown_manager.go
// (Terminated, NodeShutdown); the first was called Shutdown up to 1.21.
func endedByShutdown(pod *corev1.Pod) bool {
	switch pod.Status.Reason {
	case "Terminated", "Shutdown":
		return pod.Status.Message == "Pod was terminated in response to imminent node shutdown."
	case "NodeShutdown":
		return true
	}
	return false
}

func endedFinding(p *analyzers.Pass, pod *corev1.Pod) analyzers.Finding {
	ref := cluster.RefOf(pod)
	at := pod.CreationTimestamp.Time
	if c := cluster.PodCondition(pod, corev1.DisruptionTarget); c != nil {
		at = c.LastTransitionTime.Time
	}
	return analyzers.Finding{
		Code: shutDown, Severity: analyzers.Warning, Subject: ref, Affected: []analyzers.Ref{ref},
		Summary:  fmt.Sprintf("Pod was ended by the shutdown of node %s, and nothing starts it again: it has no controller", pod.Spec.NodeName),
		Evidence: []analyzers.Evidence{{Source: ref.String(), Path: "status.message", Quote: pod.Status.Reason + ": " + analyzers.Quote(pod.Status.Message), At: at}, {Source: ref.String(), Path: "metadata.ownerReferences", Quote: "none"}},
		Fixes:    []analyzers.Fix{{Why: "Show the pod, to make it again as a Deployment, which would be replaced", Argv: p.Kubectl(pod.Namespace, "get", "pod", pod.Name, "-o", "yaml")}},
	}
}
