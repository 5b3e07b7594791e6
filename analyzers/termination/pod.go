package termination

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Pod reports pods that are deleted and that nobody takes down: their node is lost, or its
// kubelet does not get them down.
var Pod = &analyzers.Analyzer{
	Name: "termination/pod",
	Doc: `pods that are deleted and stay, as their node is lost or cannot end them

A pod's deletionTimestamp is the end of its grace period: however long that is, a pod
within it is well.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Nodes, cluster.Events},
	Emits: []analyzers.Code{nodeLost, notKilled},
	Run:   stuckPods,
}

// teardown is how long a kubelet may need for a pod beyond its grace period: it kills
// again, and waits for volumes.
const teardown = 3 * time.Minute

func stuckPods(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if pod.DeletionTimestamp == nil || pod.Spec.NodeName == "" || p.Since(pod.DeletionTimestamp.Time) <= overdue {
			continue
		}
		node, known := cluster.Find[*corev1.Node](p.Snapshot, "", pod.Spec.NodeName)
		switch {
		case known && !answers(node):
			reportLost(p, pod, node)
		case !known && p.Sees(cluster.Nodes, ""):
			reportLost(p, pod, nil)
		case known && p.Since(pod.DeletionTimestamp.Time) > teardown && !(ended(pod) && len(pod.Finalizers) > 0):
			reportNotKilled(p, pod)
		}
	}
	return nil
}

// answers reports whether a node's kubelet reports, by the condition that its absence
// turns to Unknown (k8s.io/kubernetes pkg/controller/nodelifecycle). A node that is not
// ready for another reason may still end pods.
func answers(node *corev1.Node) bool {
	c := readyCondition(node)
	return c == nil || c.Status != corev1.ConditionUnknown
}

func readyCondition(node *corev1.Node) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == corev1.NodeReady {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

func reportLost(p *analyzers.Pass, pod *corev1.Pod, node *corev1.Node) {
	root := p.Root(pod)
	name := pod.Spec.NodeName
	ref := analyzers.Ref{APIVersion: "v1", Kind: "Node", Name: name}
	f := analyzers.Finding{
		Code: nodeLost, Severity: analyzers.Warning, Subject: root, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		CausedBy: []analyzers.Ref{ref},
		Shared:   fmt.Sprintf("Node %s does not answer, and the pods that are deleted there do not go", name),
	}
	what := fmt.Sprintf("does not answer, so a deleted pod of %s %s cannot go", root.Kind, root.Name)
	if root.Kind == "StatefulSet" {
		f.Severity = analyzers.Error
		what = fmt.Sprintf("does not answer, so deleted pod %s cannot go and none takes its place", pod.Name)
	}
	if node == nil {
		f.Summary = fmt.Sprintf("Node %s is gone, and %s", name, "a pod that is deleted there stays")
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref.String(), Path: "metadata", Quote: "does not exist"})
	} else {
		f.Summary = fmt.Sprintf("Node %s %s", name, what)
		c := readyCondition(node)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: ref.String(), Path: "status.conditions[Ready]", Quote: fmt.Sprintf("Ready: %s (%s)", c.Status, analyzers.QuoteHead(c.Reason+": "+c.Message)), At: c.LastTransitionTime.Time})
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	f.Evidence = append(f.Evidence, deleted(pod))
	if node != nil {
		f.Fixes = append(f.Fixes,
			analyzers.Fix{Why: "Bring the node back: its kubelet then ends the pod", Argv: p.Kubectl("", "describe", "node", name)},
			analyzers.Fix{
				// https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown
				Why:  "Only if the machine is certainly switched off: say so, and its pods and volumes are let go",
				Argv: p.Kubectl("", "taint", "nodes", name, "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"),
			})
	} else {
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "The machine is gone for good: take the pod's object away", Argv: p.Kubectl(pod.Namespace, "delete", "pod", pod.Name, "--grace-period=0", "--force")})
	}
	p.Report(f)
}

func deleted(pod *corev1.Pod) analyzers.Evidence {
	quote := "deletionTimestamp: " + pod.DeletionTimestamp.UTC().Format(time.RFC3339)
	if g := pod.DeletionGracePeriodSeconds; g != nil {
		quote += fmt.Sprintf(", deletionGracePeriodSeconds: %d", *g)
	}
	return analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "metadata.deletionTimestamp", Quote: quote, At: pod.DeletionTimestamp.Time}
}

func reportNotKilled(p *analyzers.Pass, pod *corev1.Pod) {
	root, ref := p.Root(pod), cluster.RefOf(pod)
	f := analyzers.Finding{Code: notKilled, Severity: analyzers.Warning, Subject: root, Affected: []analyzers.Ref{ref}, Evidence: []analyzers.Evidence{deleted(pod)}}
	if root.Kind == "StatefulSet" {
		f.Severity = analyzers.Error
	}
	f.Summary = fmt.Sprintf("Node %s does not end a deleted pod: a container still runs beyond its grace period", pod.Spec.NodeName)
	if ended(pod) {
		f.Summary = fmt.Sprintf("Node %s does not clear away a deleted pod whose containers have ended", pod.Spec.NodeName)
	}
	// k8s.io/kubernetes pkg/kubelet/events/event.go and pkg/kubelet/pod_workers.go.
	if ev, ok := p.LastEvent(pod, func(ev *corev1.Event) bool { return cluster.EventTime(ev).After(pod.DeletionTimestamp.Add(-time.Hour)) }, "FailedKillPod", "ExceededGracePeriod", "FailedUnMount"); ok {
		f.Evidence = append([]analyzers.Evidence{analyzers.EventEvidence(ref, ev)}, f.Evidence...)
	}
	f.Fixes = []analyzers.Fix{
		{Why: "Show what the kubelet says of it", Argv: p.Kubectl(pod.Namespace, "describe", "pod", pod.Name)},
		{Why: "Restart the container runtime and the kubelet on the node, or the node itself if a process hangs in the kernel (NFS, a dead disk)"},
	}
	p.Report(f)
}
