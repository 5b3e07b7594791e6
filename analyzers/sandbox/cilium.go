package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Cilium finds nodes on which the Cilium agent does not serve the plugin.
var Cilium = &analyzers.Analyzer{
	Name: "sandbox/cilium",
	Doc: `nodes on which the Cilium agent does not answer, or has never become ready

Either new pods fail at its plugin, or the taint with which Cilium keeps pods away from a
node without an agent stays.`,
	Needs: append(slices.Clone(failureKinds), cluster.DaemonSets),
	Emits: []analyzers.Code{ciliumNotReady},
	Run: func(p *analyzers.Pass) error {
		each(p, byCilium, func(f failure) analyzers.Finding { return ciliumFinding(p, f) })
		for n := range cluster.All[*corev1.Node](p.Snapshot) {
			i := slices.IndexFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == ciliumTaint })
			if i >= 0 && cluster.NodeReady(n) && p.Since(n.CreationTimestamp.Time) > booting && p.Since(taintTime(n, i)) > booting {
				p.Report(taintFinding(p, n, i))
			}
		}
		return nil
	},
}

// ciliumTaint is set by whoever makes the node or by the operator, and taken off by the
// operator once the agent runs (docs.cilium.io/en/stable/installation/taints).
const ciliumTaint = "node.cilium.io/agent-not-ready"

func taintTime(n *corev1.Node, i int) time.Time {
	if at := n.Spec.Taints[i].TimeAdded; at != nil {
		return at.Time
	}
	return n.CreationTimestamp.Time
}

func ciliumFinding(p *analyzers.Pass, f failure) analyzers.Finding {
	node := f.pod.Spec.NodeName
	found := analyzers.Finding{
		Code: ciliumNotReady, Summary: fmt.Sprintf("Cilium agent on node %s does not answer its plugin, so new pods get no network", node),
		Shared: "Cilium agents do not answer their plugin, so new pods get no network",
	}
	switch {
	case strings.Contains(f.text, "TooManyRequests"):
		// The agent limits how many endpoints it makes at a time: it comes to all in turn.
		found.Severity = analyzers.Warning
		found.Summary = fmt.Sprintf("Cilium agent on node %s is asked for too many pods at once and turns some down", node)
		found.Part = "rate"
	case strings.Contains(f.text, "putEndpointId"), strings.Contains(f.text, "Unable to create endpoint"):
		found.Summary = analyzers.Line(fmt.Sprintf("Cilium agent on node %s cannot create endpoints for new pods: %s", node, afterAdd(f.text)), analyzers.MaxSummary)
	}
	withAgent(p, node, &found)
	if len(found.CausedBy) == 0 {
		found.CausedBy = []analyzers.Ref{{Kind: "Network", Name: "cilium"}}
	}
	if len(found.Fixes) == 0 {
		found.Fixes = []analyzers.Fix{{Why: "Show the agents, node by node", Argv: p.Kubectl("kube-system", "get", "pods", "-l", "k8s-app=cilium", "-o", "wide")}}
	}
	return found
}

func taintFinding(p *analyzers.Pass, n *corev1.Node, i int) analyzers.Finding {
	at := taintTime(n, i)
	found := analyzers.Finding{
		Code: ciliumNotReady, Severity: analyzers.Warning, Subject: cluster.RefOf(n),
		Summary:  fmt.Sprintf("Cilium agent on node %s has not become ready, and the node takes no pods", n.Name),
		Evidence: []analyzers.Evidence{{Source: cluster.RefOf(n).String(), Path: "spec.taints", Quote: "taints: " + ciliumTaint + ":" + string(n.Spec.Taints[i].Effect), At: at}},
		Shared:   "Cilium agents have not become ready, and their nodes take no pods",
	}
	withAgent(p, n.Name, &found)
	return found
}
