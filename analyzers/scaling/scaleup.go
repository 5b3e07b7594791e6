package scaling

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NoScaleUp finds pending pods for which no node is added.
var NoScaleUp = &analyzers.Analyzer{
	Name: "scaling/no-scale-up",
	Doc: `pending pods for which the cluster autoscaler adds no node, and why

It follows from why the pod is pending, which the scheduling checks tell. A pod for which
a node is on its way is silent.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events, cluster.ConfigMaps},
	Emits: []analyzers.Code{noScaleUp},
	Run:   runNoScaleUp,
}

const (
	// decided is how long a pod may be pending before this is worth a word: the autoscaler
	// looks every 10 s, and says no as long as another one's new node is being added.
	decided = 90 * time.Second
	// provision is how long a cloud may take for a node (--max-node-provision-time).
	provision = 15 * time.Minute
)

func runNoScaleUp(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		since, ok := pending(p.Snapshot, pod)
		if !ok || since < decided {
			continue
		}
		root := p.Root(pod)
		if p.Again(noScaleUp, noScaleUp.Severity, root, "", cluster.RefOf(pod)) {
			continue
		}
		ev, ok := p.LastEvent(pod, nil, "NotTriggerScaleUp", "TriggeredScaleUp", "FailedScaleUp")
		if !ok {
			continue
		}
		f := analyzers.Finding{Code: noScaleUp, Subject: root, Affected: []analyzers.Ref{cluster.RefOf(pod)}, Evidence: []analyzers.Evidence{eventProof(pod, ev)}}
		switch {
		case ev.Reason == "NotTriggerScaleUp":
			if reasons, ok := skipped(ev.Message); ok && len(reasons) > 0 {
				passedOver(p, &f, reasons)
			}
		case ev.Reason == "FailedScaleUp", p.Since(cluster.EventTime(ev)) > provision:
			notComing(p, &f, ev)
		}
		if f.Summary != "" {
			report(p, f)
		}
	}
	return nil
}

// passedOver says why no group was taken. What the autoscaler itself limits comes first:
// that the others do not fit is so by design.
func passedOver(p *analyzers.Pass, f *analyzers.Finding, reasons []string) {
	groups := nodeGroupsOf(p.Snapshot)
	find := func(words string) (int, bool) {
		for _, r := range reasons {
			if n, w := counted(r); strings.HasPrefix(w, words) {
				return n, true
			}
		}
		return 0, false
	}
	status := analyzers.Fix{Why: "Show the node groups with their sizes and limits, as the autoscaler sees them", Argv: p.Kubectl(statusMap.Namespace, "get", "configmap", statusMap.Name, "-o", "jsonpath={.data.status}")}
	names := func(is func(nodeGroup) bool) []nodeGroup {
		var out []nodeGroup
		for _, g := range groups {
			if is(g) {
				out = append(out, g)
			}
		}
		return out
	}
	if _, ok := find(totalNodes); ok {
		f.Summary = "Cluster autoscaler adds no node: the cluster has as many nodes as it may have (--max-nodes-total)"
		f.Fixes = []analyzers.Fix{{Why: "Raise --max-nodes-total of the cluster autoscaler", Argv: p.Kubectl("kube-system", "get", "deployments")}}
		return
	}
	if n, ok := find(inBackoff); ok {
		f.Summary = fmt.Sprintf("Cluster autoscaler adds no node: the cloud failed to add one to %s", groupsText(n, names(nodeGroup.backoff)))
		for _, g := range names(nodeGroup.backoff) {
			f.Evidence = append(f.Evidence, groupProof(g))
			if b := g.ScaleUp.BackoffInfo; n == 1 && len(names(nodeGroup.backoff)) == 1 && b.ErrorCode != "" {
				f.Summary += " (" + b.ErrorCode + ")"
			}
		}
		f.Fixes = []analyzers.Fix{status, {Why: "Then raise the cloud's quota, or allow more instance types and zones, where it ran out", Argv: nil}}
	} else if n, ok := find(atMaximum); ok {
		f.Summary = fmt.Sprintf("Cluster autoscaler adds no node: %s at its maximum size", groupsText(n, names(nodeGroup.full))+" is")
		for _, g := range names(nodeGroup.full) {
			f.Evidence = append(f.Evidence, groupProof(g))
		}
		f.Fixes = []analyzers.Fix{status, {Why: "Then raise the maximum of that group, or ask for less", Argv: nil}}
	} else if n, ok := find(notReady); ok {
		f.Summary = fmt.Sprintf("Cluster autoscaler adds no node: %s not ready for it, as too many of its nodes are not ready", groupsText(n, nil)+" is")
		f.Fixes = []analyzers.Fix{status, {Why: "Mend the nodes that are not ready", Argv: p.Kubectl("", "get", "nodes")}}
	} else {
		f.Summary = "Cluster autoscaler adds no node: one of no group would take the pod: " + strings.Join(reasons, ", ")
		f.Fixes = []analyzers.Fix{{Why: "Add a node group whose nodes fit the pod, or change what it asks for", Argv: nil}, status}
	}
	f.Evidence = f.Evidence[:min(len(f.Evidence), 4)]
}

// groupsText names the groups when the status tells which they are.
func groupsText(n int, groups []nodeGroup) string {
	switch {
	case n == 1 && len(groups) == 1:
		return "node group " + groups[0].short()
	case n == 1:
		return "a node group that fits"
	}
	return "each node group that fits"
}

// notComing is about a node that was ordered and has not come.
func notComing(p *analyzers.Pass, f *analyzers.Finding, ev *corev1.Event) {
	if ev.Reason == "FailedScaleUp" {
		f.Summary = "Cluster autoscaler could not add a node: " + ev.Message
	} else {
		f.Summary = fmt.Sprintf("Cluster autoscaler ordered a node for the pod %d minutes ago, and it has not come", int(p.Since(cluster.EventTime(ev)).Minutes()))
	}
	for _, g := range nodeGroupsOf(p.Snapshot) {
		if g.backoff() {
			f.Evidence = append(f.Evidence, groupProof(g))
		}
	}
	f.Fixes = []analyzers.Fix{{Why: "Show what the autoscaler and the cloud say of the node", Argv: p.Kubectl("kube-system", "describe", "configmap", statusMap.Name)}}
}
