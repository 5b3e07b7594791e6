package scheduling

import (
	"cmp"
	"slices"
)

// A kind is what would have to change for a node to take the pod. It is finer than a
// Filter: a taint may say that the node is broken or whom it is for, and a missing GPU
// is not a full node.
type kind int

const (
	bySelector     kind = iota // node name, selector or affinity
	byVolume                   // the volume cannot be reached from the node
	byBinding                  // no volume can be had there
	byUse                      // another pod has the volume
	byOffer                    // the node offers too few of a device, or none
	byTaint                    // the node is for others
	byControlPlane             // the node is for the control plane
	byState                    // cordoned, not ready, under pressure, being removed
	byAffinity                 // other pods
	byPort                     // host port
	bySpread                   // topology spread
	byDevice                   // devices are there and taken
	byPodCount                 // the node runs as many pods as it may
	byRoom                     // CPU, memory, disk
	byClaim                    // a volume claim stops the pod before any node is looked at
)

// A verdict is the reason that decides, and the nodes on which it does: those that all
// reasons which say where the pod belongs leave over.
type verdict struct {
	kind kind
	rows []*Row
}

// decide finds the smallest change that would let the pod fit.
//
// It narrows the nodes down in steps. First to those where the pod is meant to be: its
// selector, its volumes, the devices it needs. When a step leaves none, that step is the
// reason, and what else is wrong with any node is not: the pod would not get there
// anyhow. Of the rest, nodes for others (taints) are left out as long as one is open, so
// that the control plane's taint is not blamed for full workers. A node that only needs
// to be uncordoned or mended is the cause before anything else. Rules about other pods
// and ports narrow further, as they are meant to; a spread constraint does not, as it
// is the one that can be softened while a whole zone is full or tainted. What remains
// is room.
func decide(e *Explanation) (verdict, bool) {
	if len(e.Everywhere) > 0 {
		return verdict{kind: byClaim}, true
	}
	rows := make([]*Row, len(e.Rows))
	for i := range e.Rows {
		rows[i] = &e.Rows[i]
		if len(e.Rows[i].Rejections) == 0 {
			return verdict{}, false // it fits: the Snapshot and the scheduler disagree
		}
	}
	if len(rows) == 0 {
		return verdict{}, false
	}
	for _, k := range []kind{bySelector, byVolume, byBinding, byUse, byOffer} {
		left := without(rows, k)
		if len(left) == 0 {
			return verdict{k, easiest(rows, k)}, true
		}
		rows = left
	}
	open := without(rows, byTaint, byControlPlane)
	if len(open) == 0 {
		if workers := without(rows, byControlPlane); len(workers) > 0 {
			return verdict{byTaint, easiest(workers, byTaint)}, true
		}
		return verdict{byControlPlane, easiest(rows, byControlPlane, byTaint)}, true
	}
	rows = open
	if mendable := only(rows, byState); len(mendable) > 0 {
		return verdict{byState, mendable}, true
	}
	if left := without(rows, byState); len(left) > 0 {
		rows = left
	} else if broken := brokenRows(rows); len(broken) > 0 {
		return verdict{byState, easiest(broken, byState)}, true
	}
	for _, k := range []kind{byAffinity, byPort} {
		left := without(rows, k)
		if len(left) == 0 {
			return verdict{k, easiest(rows, k)}, true
		}
		rows = left
	}
	if soft := only(rows, bySpread); len(soft) > 0 {
		return verdict{bySpread, soft}, true
	}
	for _, k := range []kind{bySpread, byDevice, byPodCount, byRoom} {
		left := without(rows, k)
		if len(left) == 0 {
			return verdict{k, easiest(rows, k)}, true
		}
		rows = left
	}
	return verdict{}, false
}

// brokenRows are nodes that are not merely cordoned: a node that is down counts as full
// for as long as its pods are not deleted, and that is not what is wrong with it.
func brokenRows(rows []*Row) []*Row {
	var out []*Row
	for _, r := range rows {
		if slices.ContainsFunc(r.of(byState), func(j Rejection) bool { return j.Filter != NodeUnschedulable }) {
			out = append(out, r)
		}
	}
	return out
}

func without(rows []*Row, kinds ...kind) []*Row {
	var out []*Row
	for _, r := range rows {
		if !slices.ContainsFunc(kinds, r.has) {
			out = append(out, r)
		}
	}
	return out
}

func only(rows []*Row, kinds ...kind) []*Row {
	var out []*Row
	for _, r := range rows {
		if r.only(kinds...) {
			out = append(out, r)
		}
	}
	return out
}

// easiest are the rows that have nothing but these kinds; without any, those with the
// fewest other rejections.
func easiest(rows []*Row, kinds ...kind) []*Row {
	others := func(r *Row) int {
		n := 0
		for _, j := range r.Rejections {
			if !slices.Contains(kinds, j.kind) {
				n++
			}
		}
		return n
	}
	least := others(slices.MinFunc(rows, func(a, b *Row) int { return cmp.Compare(others(a), others(b)) }))
	var out []*Row
	for _, r := range rows {
		if others(r) == least {
			out = append(out, r)
		}
	}
	return out
}

// nodes are the names of the rows' nodes, in order.
func (v verdict) nodes() []string {
	out := make([]string, len(v.rows))
	for i, r := range v.rows {
		out[i] = r.Node
	}
	return out
}
