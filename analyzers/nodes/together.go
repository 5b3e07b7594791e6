package nodes

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	// sameTime is how far apart nodes fall silent that have one thing in common: each is
	// heard of every 10 s, and a switch or zone goes down in steps.
	sameTime = 2 * time.Minute
	// several nodes at the same time are no coincidence.
	several = 3
)

// group is nodes that fell silent at the same time, and what they share.
type group struct {
	members map[*node]bool
	ref     analyzers.Ref
	shared  string
}

// poolLabels name the group of machines that a node was made in.
var poolLabels = []string{
	"cloud.google.com/gke-nodepool", "eks.amazonaws.com/nodegroup", "kubernetes.azure.com/agentpool", "karpenter.sh/nodepool",
	"doks.digitalocean.com/node-pool", "node.kubernetes.io/instancegroup",
}

// together finds the largest group of nodes that fell silent at the same time: several,
// or all that a zone, a pool or the cluster has. What they share is what they are blamed
// on, a whole zone before all else.
func together(s *cluster.Snapshot, silent []*node) group {
	byTime := slices.Clone(silent)
	slices.SortStableFunc(byTime, func(a, b *node) int { return cmp.Or(a.seen.Compare(b.seen), cmp.Compare(a.Name, b.Name)) })
	var largest, run []*node
	for _, n := range byTime {
		if len(run) > 0 && n.seen.Sub(run[len(run)-1].seen) > sameTime {
			run = nil
		}
		if run = append(run, n); len(run) > len(largest) {
			largest = slices.Clone(run)
		}
	}
	if len(largest) < 2 {
		return group{}
	}
	all := nodesOf(s)
	g := group{members: map[*node]bool{}}
	for _, n := range largest {
		g.members[n] = true
	}
	what := fmt.Sprintf("%d of %d nodes", len(largest), len(all))
	switch kind, name := common(largest, all); {
	case len(largest) == len(all):
		g.ref, what = analyzers.Ref{Kind: "Cluster", Name: contextName(s)}, fmt.Sprintf("All %d nodes", len(all))
	case name != "":
		g.ref, what = analyzers.Ref{Kind: kind, Name: name}, fmt.Sprintf("All %d nodes of %s %s", len(largest), word(kind), name)
	case len(largest) >= several:
		g.ref = analyzers.Ref{Kind: "Cluster", Name: contextName(s)}
	default:
		return group{}
	}
	g.shared = fmt.Sprintf("%s fell silent at the same time, at %s: look for what they share, such as their network", what, clock(s.Now(), largest[0].seen))
	return g
}

func contextName(s *cluster.Snapshot) string { return cmp.Or(s.Info().Context, "nodes") }

func word(kind string) string {
	if kind == "Zone" {
		return "zone"
	}
	return "pool"
}

// common is the zone or pool to which these nodes belong, all of them, and which has no
// others.
func common(some, all []*node) (kind, name string) {
	for _, label := range append([]string{corev1.LabelTopologyZone}, poolLabels...) {
		value := some[0].Labels[label]
		if value == "" || slices.ContainsFunc(some, func(n *node) bool { return n.Labels[label] != value }) {
			continue
		}
		have := 0
		for _, n := range all {
			if n.Labels[label] == value {
				have++
			}
		}
		if have == len(some) {
			if label == corev1.LabelTopologyZone {
				return "Zone", value
			}
			return "NodePool", value
		}
	}
	return "", ""
}

// share puts a node's finding under that of its group.
func (g group) share(p *analyzers.Pass, n *node, f *analyzers.Finding) {
	if !g.members[n] {
		return
	}
	f.CausedBy, f.Shared = []analyzers.Ref{g.ref}, g.shared
	f.Fixes = append([]analyzers.Fix{{Why: "Show when each node was last heard of", Argv: p.Kubectl(corev1.NamespaceNodeLease, "get", "leases", "-o", "custom-columns=NODE:.metadata.name,RENEWED:.spec.renewTime")}}, f.Fixes...)
}
