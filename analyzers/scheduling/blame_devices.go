package scheduling

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// deviceFinding is about what device plugins offer: no node has it, none enough, or all
// of it is taken.
func (q *inquiry) deviceFinding() analyzers.Finding {
	s := q.v.rows[0].of(q.v.kind)[0].shortages[0]
	f := analyzers.Finding{Code: gpuNotAvailable}
	var offering []*nodeState
	for _, n := range q.ev.nodes {
		if n.offers[s.name] > 0 {
			offering = append(offering, n)
		}
	}
	slices.SortStableFunc(offering, func(a, b *nodeState) int { return cmp.Compare(b.offers[s.name], a.offers[s.name]) })
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(q.pod).String(), Path: "spec.containers[*].resources.limits", Quote: fmt.Sprintf("limits: %s: %d", s.name, s.want)})
	switch {
	case len(offering) == 0:
		q.offeredByNone(&f, s)
	case q.v.kind == byOffer && s.want > offering[0].offers[s.name]:
		f.Summary = fmt.Sprintf("Pod requests %d %s, but no node offers more than %d (%s)", s.want, s.name, offering[0].offers[s.name], offering[0].node.Name)
		f.Evidence = append(f.Evidence, q.deviceEvidence(offering[0], s.name))
	case q.v.kind == byOffer:
		names := make([]string, len(offering))
		for i, n := range offering {
			names[i] = n.node.Name
		}
		row := q.row(names[0])
		f.Summary = fmt.Sprintf("Pod requests %s, which only %s %s, and it cannot go there", s.name, nodesText(names), have(names, "offers", "offer"))
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(names[0]).String(), Path: "status.allocatable[" + string(s.name) + "]", Quote: row.Rejections[0].Reason})
	default:
		total := int64(0)
		for _, r := range q.v.rows {
			total += q.ev.byName[r.Node].offers[s.name]
		}
		names := q.v.nodes()
		f.Summary = fmt.Sprintf("Pod needs %d %s, but too few of the %d on %s are free", s.want, s.name, total, nodesText(names))
		if all := int64(0); q.freeOn(names, s.name) == all {
			f.Summary = fmt.Sprintf("Pod needs %d %s, but all %d on %s are taken", s.want, s.name, total, nodesText(names))
		}
		for _, name := range names[:min(len(names), 2)] {
			f.Evidence = append(f.Evidence, q.deviceEvidence(q.ev.byName[name], s.name))
		}
		f.Fixes = []analyzers.Fix{{Why: "Free a device or add a node with one; the command shows what holds them", Argv: q.Kubectl("", "describe", "node", names[0])}}
	}
	return f
}

// offeredByNone tells apart a plugin that does not run from a name that is wrong.
func (q *inquiry) offeredByNone(f *analyzers.Finding, s shortage) {
	for _, n := range q.ev.nodes {
		if amount := n.node.Status.Capacity[s.name]; amount.Value() > 0 {
			f.Summary = fmt.Sprintf("Node %s has %d %s but offers none: its device plugin does not run or calls them unhealthy", n.node.Name, amount.Value(), s.name)
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(n.node.Name).String(), Path: "status.allocatable[" + string(s.name) + "]", Quote: fmt.Sprintf("%s: 0", s.name)})
			f.Fixes = []analyzers.Fix{{Why: "Show the node's pods, the device plugin among them", Argv: q.Kubectl("", "get", "pods", "--all-namespaces", "--field-selector", "spec.nodeName="+n.node.Name)}}
			return
		}
	}
	f.Summary = fmt.Sprintf("Pod requests %d %s, but none of the %d nodes offers one", s.want, s.name, len(q.ev.nodes))
	if len(q.ev.nodes) == 1 {
		f.Summary = fmt.Sprintf("Pod requests %d %s, but the only node, %s, offers none", s.want, s.name, q.ev.nodes[0].node.Name)
	}
	offered := q.ev.devices()
	domain, _, _ := strings.Cut(string(s.name), "/")
	for _, have := range offered {
		if _, near := analyzers.Nearest(string(s.name), []string{have}); near || strings.HasPrefix(have, domain+"/") {
			f.Summary += "; nodes have " + have
			break
		}
	}
	quote := "allocatable: no devices"
	if len(offered) > 0 {
		quote = "allocatable: only devices " + some(offered, 4)
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(q.ev.nodes[0].node.Name).String(), Path: "status.allocatable", Quote: quote})
	f.Fixes = []analyzers.Fix{{Why: fmt.Sprintf("Install the driver and device plugin for %s on the nodes that have it; the command shows what nodes offer", s.name),
		Argv: q.Kubectl("", "get", "nodes", "-o", "custom-columns=NODE:.metadata.name,OFFERS:.status.allocatable")}}
}

func (ev *evaluator) devices() []string {
	set := map[string]bool{}
	for _, n := range ev.nodes {
		for name, amount := range n.offers {
			if isDevice(name) && amount > 0 {
				set[string(name)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func (q *inquiry) freeOn(names []string, name corev1.ResourceName) int64 {
	free := int64(0)
	for _, node := range names {
		n := q.ev.byName[node]
		free += max(0, n.offers[name]-n.taken[name])
	}
	return free
}

func (q *inquiry) deviceEvidence(n *nodeState, name corev1.ResourceName) analyzers.Evidence {
	return analyzers.Evidence{Source: nodeRef(n.node.Name).String(), Path: fmt.Sprintf("status.allocatable[%s] of %s", name, n.node.Name), Quote: q.usageText(n, name)}
}
