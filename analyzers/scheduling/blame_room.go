package scheduling

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// roomFinding is about CPU, memory and disk: how much is missing on the node that comes
// nearest.
func (q *inquiry) roomFinding() analyzers.Finding {
	best := q.nearest(byRoom)
	short := best.of(byRoom)[0].shortages
	s := slices.MaxFunc(short, func(a, b shortage) int { return cmp.Compare(missing(a), missing(b)) })
	f := analyzers.Finding{Code: insufficient}
	candidates := without(q.v.rows, byState)
	which := ", the only one that fits otherwise,"
	switch {
	case len(q.e.Rows) == 1:
		which = ", the only one,"
	case len(candidates) > 1:
		which = fmt.Sprintf(", the best of %d that fit otherwise,", len(candidates))
	}
	t := amountTexts(s.name, s.want, max(s.free, 0), s.offers)
	if q.tooLargeFor(s) {
		largest := q.largest(s.name)
		t = amountTexts(s.name, s.want, largest.offers[s.name])
		f.Summary = fmt.Sprintf("Pod requests %s %s, but the largest node that fits otherwise, %s, has only %s in all", t[0], s.name, largest.node.Name, t[1])
		if len(q.e.Rows) == 1 {
			f.Summary = fmt.Sprintf("Pod requests %s %s, but the only node, %s, has %s in all", t[0], s.name, largest.node.Name, t[1])
		}
		s = shortage{s.name, s.want, s.free, largest.offers[s.name]}
		best = q.row(largest.node.Name)
	} else {
		also := ""
		if len(short) > 1 {
			other := short[0]
			if other.name == s.name {
				other = short[1]
			}
			ot := amountTexts(other.name, other.want, max(other.free, 0))
			also = fmt.Sprintf(" and %s of the %s %s it needs", ot[1], ot[0], other.name)
		}
		f.Summary = fmt.Sprintf("Pod needs %s %s, but node %s%s has %s of %s free%s", t[0], s.name, best.Node, which, t[1], t[2], also)
	}
	n := q.ev.byName[best.Node]
	f.Evidence = append(f.Evidence,
		analyzers.Evidence{Source: nodeRef(best.Node).String(), Path: fmt.Sprintf("status.allocatable[%s]", s.name), Quote: "allocatable " + q.usageText(n, s.name)},
		analyzers.Evidence{Source: cluster.RefOf(q.pod).String(), Path: "spec.containers[*].resources.requests", Quote: "requests: " + q.requestText()},
	)
	f.Evidence = append(f.Evidence, q.elsewhere(q.v.nodes())...)
	if fix, ok := q.lower(n); ok {
		f.Fixes = append(f.Fixes, fix)
	}
	why := fmt.Sprintf("Add a node with at least %s %s free, or free that much; the command shows what holds it", t[0], s.name)
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: why, Argv: q.Kubectl("", "describe", "node", best.Node)})
	return f
}

// nearest is the node that lacks least.
func (q *inquiry) nearest(k kind) *Row {
	worst := func(r *Row) float64 {
		most := 0.0
		for _, j := range r.of(k) {
			for _, s := range j.shortages {
				most = max(most, missing(s))
			}
		}
		return most
	}
	rows := q.v.rows
	if alive := without(rows, byState); len(alive) > 0 {
		rows = alive
	}
	return slices.MinFunc(rows, func(a, b *Row) int { return cmp.Or(cmp.Compare(worst(a), worst(b)), cmp.Compare(a.Node, b.Node)) })
}

// missing is how much of the wanted amount is not free.
func missing(s shortage) float64 { return float64(s.want-max(s.free, 0)) / float64(s.want) }

func (q *inquiry) row(node string) *Row {
	for i := range q.e.Rows {
		if q.e.Rows[i].Node == node {
			return &q.e.Rows[i]
		}
	}
	return q.v.rows[0]
}

// tooLargeFor reports whether none of the nodes would be large enough if it were empty.
func (q *inquiry) tooLargeFor(s shortage) bool {
	return !slices.ContainsFunc(q.v.rows, func(r *Row) bool { return s.want <= q.ev.byName[r.Node].offers[s.name] })
}

func (q *inquiry) largest(name corev1.ResourceName) *nodeState {
	row := slices.MinFunc(q.v.rows, func(a, b *Row) int {
		return cmp.Or(cmp.Compare(q.ev.byName[b.Node].offers[name], q.ev.byName[a.Node].offers[name]), cmp.Compare(a.Node, b.Node))
	})
	return q.ev.byName[row.Node]
}

func (q *inquiry) requestText() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(q.r.wants)) {
		if q.r.wants[name] > 0 {
			out = append(out, string(name)+" "+amountTexts(name, q.r.wants[name])[0])
		}
	}
	return strings.Join(out, ", ")
}

// usageText says who has taken a resource of a node: requests, not use.
func (q *inquiry) usageText(n *nodeState, name corev1.ResourceName) string {
	t := amountTexts(name, n.offers[name], n.taken[name])
	text := fmt.Sprintf("%s: %s, of which pods request %s", name, t[0], t[1])
	if takers := q.takers(n, name); len(takers) > 0 {
		text += " (" + some(takers, 3) + ")"
	}
	if !q.ev.seesPods {
		text += "; pods of other namespaces are not visible, so that more is taken"
	}
	return text
}

// takers are the workloads that have taken most of a resource of a node, largest first.
func (q *inquiry) takers(n *nodeState, name corev1.ResourceName) []string {
	total := map[analyzers.Ref]int64{}
	for _, pod := range n.pods {
		if amount := requestsOnNode(pod)[name]; amount > 0 {
			total[q.Root(pod)] += amount
		}
	}
	refs := slices.SortedFunc(maps.Keys(total), func(a, b analyzers.Ref) int {
		return cmp.Or(cmp.Compare(total[b], total[a]), analyzers.CompareRefs(a, b))
	})
	out := make([]string, len(refs))
	for i, ref := range refs {
		out[i] = ref.String() + " " + amountTexts(name, total[ref])[0]
	}
	return out
}

// lower proposes requests that fit the node, when one container asks for nearly all of
// it and at least a quarter of that is free: less would not be the same program.
func (q *inquiry) lower(n *nodeState) (analyzers.Fix, bool) {
	if q.pod.Spec.Resources != nil {
		return analyzers.Fix{}, false
	}
	requests, texts := map[string]string{}, []string{}
	var container string
	for _, name := range slices.Sorted(maps.Keys(q.r.wants)) {
		want, free := q.r.wants[name], n.offers[name]-n.taken[name]
		if want <= free {
			continue
		}
		c, own := biggest(q.template(), name)
		fits := free - (want - own)
		if c == "" || container != "" && container != c || fits*4 < own {
			return analyzers.Fix{}, false
		}
		amount := rounded(name, fits)
		container, requests[string(name)] = c, amount
		texts = append(texts, amount+" "+string(name))
	}
	if container == "" {
		return analyzers.Fix{}, false
	}
	why := fmt.Sprintf("Lower the request of container %s to %s, which node %s has free", container, strings.Join(texts, " and "), n.node.Name)
	return q.change(why, map[string]any{"containers": []any{map[string]any{"name": container, "resources": map[string]any{"requests": requests}}}}), true
}

func biggest(spec *corev1.PodSpec, name corev1.ResourceName) (container string, own int64) {
	for i := range spec.Containers {
		if amount := amountsOf(spec.Containers[i].Resources.Requests)[name]; amount > own {
			container, own = spec.Containers[i].Name, amount
		}
	}
	return container, own
}

// rounded is an amount that is at most v, as a person would write it.
func rounded(name corev1.ResourceName, v int64) string {
	if name == corev1.ResourceCPU {
		step := int64(100)
		if v < 1000 {
			step = 10
		}
		return amountText(name, v/step*step, 1)
	}
	unit := int64(1 << 20)
	if v >= 10<<30 {
		unit = 1 << 30
	}
	return apiresource.NewQuantity(v/unit*unit, apiresource.BinarySI).String()
}

// podCountFinding is about nodes that run as many pods as their kubelet allows.
func (q *inquiry) podCountFinding() analyzers.Finding {
	names := q.v.nodes()
	n := q.ev.byName[names[0]]
	return analyzers.Finding{
		Code:    maxPods,
		Summary: fmt.Sprintf("%s, where the pod would fit, already %s as many pods as allowed (%d)", upper(nodesText(names)), have(names, "runs", "run"), n.offers[corev1.ResourcePods]),
		Evidence: []analyzers.Evidence{{Source: nodeRef(names[0]).String(), Path: "status.allocatable[pods]",
			Quote: fmt.Sprintf("pods: %d, and %d are on it", n.offers[corev1.ResourcePods], len(n.pods))}},
		CausedBy: nodeRefs(names),
		Shared:   fmt.Sprintf("Node %s already runs as many pods as allowed (%d)", names[0], n.offers[corev1.ResourcePods]),
		Fixes:    []analyzers.Fix{{Why: "Add a node, or raise the kubelet's maxPods where the network has addresses for more"}},
	}
}
