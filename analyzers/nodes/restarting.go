package nodes

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Restarting finds kubelets that start again and again.
var Restarting = &analyzers.Analyzer{
	Name: "nodes/restarting",
	Doc: `kubelets that start again and again

Each start leaves an event on the node. One that fails before it reaches the API server,
over its configuration or flags, leaves none: its node falls silent, or never appears.`,
	Needs: append(slices.Clone(nodeKinds), cluster.Events),
	Emits: []analyzers.Code{restarting},
	Run: func(p *analyzers.Pass) error {
		for _, n := range nodesOf(p.Snapshot) {
			// Of a node that is silent now the silence is what matters.
			if n.ready == nil || n.ready.Status == corev1.ConditionUnknown {
				continue
			}
			if f, ok := restartingFinding(p, n); ok {
				p.Report(f)
			}
		}
		return nil
	},
}

const (
	// restartWindow and manyStarts: an upgrade or a change of its configuration takes two or
	// three. The node problem detector counts 5 within 20 minutes
	// (config/systemd-monitor-counter.json).
	restartWindow = 30 * time.Minute
	manyStarts    = 5
)

func restartingFinding(p *analyzers.Pass, n *node) (analyzers.Finding, bool) {
	f := analyzers.Finding{
		Code: restarting, Severity: analyzers.Warning, Subject: n.ref,
		Fixes: []analyzers.Fix{onHost("Show why the kubelet ends", n, "journalctl", "-u", "kubelet", "-n", "200", "--no-pager"), describe(p, n)},
	}
	if !n.isReady() {
		f.Severity = n.severity()
	}
	var starts int32
	var first, last time.Time
	for _, ev := range p.EventsFor(n.Node) {
		// k8s.io/kubernetes pkg/kubelet/kubelet.go, BirthCry; kube-proxy's has another text.
		at := cluster.EventTime(ev)
		if ev.Reason != "Starting" || ev.Message != "Starting kubelet." || p.Since(at) > restartWindow {
			continue
		}
		starts += cluster.EventCount(ev)
		if first.IsZero() {
			first = at
		}
		last = at
	}
	c := condition(n.Node, "FrequentKubeletRestart")
	switch {
	case starts >= manyStarts && p.Since(last) < restartWindow/3:
		f.Summary = fmt.Sprintf("Kubelet of node %s has started %d times since %s, the last time %s ago", n.Name, starts, clock(p.Now(), first), ago(p.Since(last)))
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Event on " + n.ref.String(), Path: "Starting", Quote: fmt.Sprintf("Starting kubelet. (%d times)", starts), At: last})
	case c != nil && c.Status == corev1.ConditionTrue:
		f.Summary = fmt.Sprintf("Kubelet of node %s restarts again and again, as the node's monitor reports since %s", n.Name, clock(p.Now(), c.LastTransitionTime.Time))
	default:
		return f, false
	}
	if c != nil && c.Status == corev1.ConditionTrue {
		f.Evidence = append(f.Evidence, n.conditionEvidence(c))
	}
	f.Evidence = append(f.Evidence, n.statusEvidence()...)
	return f, true
}
