package scheduling

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A Filter is a plugin of the scheduler that turns nodes down.
type Filter string

// The filters of the default profile, in the order in which the scheduler asks them
// (k8s.io/kubernetes pkg/scheduler/apis/config/v1/default_plugins.go). Left out are
// NodeVolumeLimits, DynamicResources, NodeDeclaredFeatures and the storage capacity of
// VolumeBinding: they need objects that a Snapshot does not hold.
const (
	NodeName           Filter = "NodeName"
	NodeUnschedulable  Filter = "NodeUnschedulable"
	TaintToleration    Filter = "TaintToleration"
	NodeAffinity       Filter = "NodeAffinity"
	NodePorts          Filter = "NodePorts"
	NodeResourcesFit   Filter = "NodeResourcesFit"
	VolumeRestrictions Filter = "VolumeRestrictions"
	VolumeBinding      Filter = "VolumeBinding"
	VolumeZone         Filter = "VolumeZone"
	PodTopologySpread  Filter = "PodTopologySpread"
	InterPodAffinity   Filter = "InterPodAffinity"
)

// A Rejection is one reason for which a node is turned down, with the keys, names and
// numbers that the scheduler leaves out.
type Rejection struct {
	Filter Filter
	Reason string

	kind      kind // what would have to change
	taint     *corev1.Taint
	shortages []shortage
	ports     []portUse
	claim     claimTrouble
	spread    skew
	rule      rule
}

// A Row is what all filters say of one node; without rejections the pod fits there. The
// scheduler stops at a node's first filter that says no, Explain asks them all.
type Row struct {
	Node       string
	Rejections []Rejection
}

// An Explanation says of each node why a pod cannot go there.
type Explanation struct {
	// Everywhere is what turns all nodes down before one is looked at: a volume claim
	// that is missing or not bound.
	Everywhere []Rejection
	Rows       []Row          // ordered by name
	Totals     map[Filter]int // how many nodes each filter turns down
}

// Fits are the nodes that no filter turns down.
func (e Explanation) Fits() []string {
	var out []string
	if len(e.Everywhere) > 0 {
		return nil
	}
	for _, r := range e.Rows {
		if len(r.Rejections) == 0 {
			out = append(out, r.Node)
		}
	}
	return out
}

// has reports whether something of this kind turns the node down.
func (r *Row) has(k kind) bool {
	return slices.ContainsFunc(r.Rejections, func(j Rejection) bool { return j.kind == k })
}

// only reports whether the node is turned down, and for these kinds of reasons alone.
func (r *Row) only(kinds ...kind) bool {
	for _, j := range r.Rejections {
		if !slices.Contains(kinds, j.kind) {
			return false
		}
	}
	return len(r.Rejections) > 0
}

// of returns the rejections of one kind.
func (r *Row) of(k kind) []Rejection {
	var out []Rejection
	for _, j := range r.Rejections {
		if j.kind == k {
			out = append(out, j)
		}
	}
	return out
}

// Explain asks each filter about each node. For many pods of one Snapshot use the
// analyzers of this package: they look at the nodes once.
func Explain(s *cluster.Snapshot, pod *corev1.Pod) Explanation {
	ev := newEvaluator(s)
	return *ev.evaluate(ev.request(pod, nil))
}

// likeness is the same for pods that differ only in name: those of one ReplicaSet or
// Job. It is empty for a pod that may be like no other. A StatefulSet's pods have
// claims of their own and a DaemonSet's a node of their own, so they are all evaluated.
func likeness(pod *corev1.Pod) string {
	for _, v := range pod.Spec.Volumes {
		if v.Ephemeral != nil {
			return ""
		}
	}
	for _, o := range pod.OwnerReferences {
		if o.Controller != nil && *o.Controller && (o.Kind == "ReplicaSet" || o.Kind == "Job") && o.UID != "" {
			return pod.Namespace + "/" + string(o.UID) + "/" + pod.Labels["pod-template-hash"]
		}
	}
	return ""
}

func (ev *evaluator) evaluate(r *request) *Explanation {
	e := &Explanation{Everywhere: r.claimTroubles(), Rows: make([]Row, len(ev.nodes)), Totals: map[Filter]int{}}
	for i, n := range ev.nodes {
		e.Rows[i] = r.row(n)
		for j, rej := range e.Rows[i].Rejections {
			if !slices.ContainsFunc(e.Rows[i].Rejections[:j], func(x Rejection) bool { return x.Filter == rej.Filter }) {
				e.Totals[rej.Filter]++
			}
		}
	}
	return e
}

// row asks all filters about one node, in the scheduler's order.
func (r *request) row(n *nodeState) Row {
	row := Row{Node: n.node.Name}
	for _, filter := range [...]func(*nodeState, []Rejection) []Rejection{
		r.nodeName, r.unschedulable, r.taints, r.nodeAffinity, r.nodePorts, r.resources,
		r.volumeInUse, r.volumes, r.volumeZone, r.topologySpread, r.podAffinity,
	} {
		row.Rejections = filter(n, row.Rejections)
	}
	return row
}
