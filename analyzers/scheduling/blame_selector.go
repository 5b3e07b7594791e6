package scheduling

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A demand is one thing that a pod's selector or affinity wants of its node.
type demand struct {
	corev1.NodeSelectorRequirement
	field    bool // of the node's fields, such as its name
	selector bool // from nodeSelector
	term     int  // of node affinity
}

func (d demand) String() string {
	values := strings.Join(d.Values, ", ")
	switch d.Operator {
	case corev1.NodeSelectorOpIn:
		if len(d.Values) == 1 {
			return d.Key + "=" + values
		}
		return d.Key + " in (" + values + ")"
	case corev1.NodeSelectorOpNotIn:
		return d.Key + " not in (" + values + ")"
	case corev1.NodeSelectorOpExists:
		return "the label " + d.Key
	case corev1.NodeSelectorOpDoesNotExist:
		return "no label " + d.Key
	case corev1.NodeSelectorOpGt:
		return d.Key + " > " + values
	case corev1.NodeSelectorOpLt:
		return d.Key + " < " + values
	}
	return d.Key
}

// label says what a node would have to have, after "has" or "has no".
func (d demand) label() string {
	if d.field {
		return "such name"
	}
	return "label " + d.Key
}

func (d demand) metBy(n *corev1.Node) bool {
	term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{d.NodeSelectorRequirement}}
	if d.field {
		term = corev1.NodeSelectorTerm{MatchFields: term.MatchExpressions}
	}
	ok, _ := nodeaffinity.NewLazyErrorNodeSelector(&corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}}).Match(n)
	return ok
}

// demands lists what the pod wants, one list for each term of its affinity: one of them
// must hold in full.
func demands(spec *corev1.PodSpec) [][]demand {
	var always []demand
	for _, key := range slices.Sorted(maps.Keys(spec.NodeSelector)) {
		req := corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{spec.NodeSelector[key]}}
		always = append(always, demand{NodeSelectorRequirement: req, selector: true})
	}
	var terms []corev1.NodeSelectorTerm
	if a := spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		terms = a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	}
	if len(terms) == 0 {
		return [][]demand{always}
	}
	var out [][]demand
	for i, t := range terms {
		list := slices.Clone(always)
		for _, e := range t.MatchExpressions {
			list = append(list, demand{NodeSelectorRequirement: e, term: i})
		}
		for _, e := range t.MatchFields {
			list = append(list, demand{NodeSelectorRequirement: e, field: true, term: i})
		}
		out = append(out, list)
	}
	return out
}

func selectorText(pod *corev1.Pod) string {
	var alternatives []string
	for _, list := range demands(&pod.Spec) {
		parts := make([]string, len(list))
		for i, d := range list {
			parts[i] = d.String()
		}
		alternatives = append(alternatives, strings.Join(parts, " and "))
	}
	return strings.Join(alternatives, ", or ")
}

func affinityText(sel *corev1.NodeSelector) string {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: sel}}}}
	return selectorText(pod)
}

// unmet finds the demands that the nearest node does not meet. A demand that no node
// meets at all comes first: it is wrong wherever the pod goes.
func (ev *evaluator) unmet(spec *corev1.PodSpec) []demand {
	var best []demand
	least := 0
	for _, list := range demands(spec) {
		met := make([]map[*nodeState]bool, len(list))
		for i, d := range list {
			met[i] = map[*nodeState]bool{}
			for _, n := range ev.nodes {
				if d.metBy(n.node) {
					met[i][n] = true
				}
			}
		}
		for _, n := range ev.nodes {
			var missing []demand
			score := 0
			for i, d := range list {
				if met[i][n] {
					continue
				}
				score += 10
				if len(met[i]) == 0 {
					score-- // wrong everywhere explains more
					missing = slices.Insert(missing, 0, d)
				} else {
					missing = append(missing, d)
				}
			}
			if len(missing) > 0 && (best == nil || score < least) {
				best, least = missing, score
			}
		}
	}
	return best
}

// renamed are label keys that Kubernetes has replaced (k8s.io/api core/v1
// well_known_labels.go); nodes of today may lack the old ones.
var renamed = map[string]string{
	"beta.kubernetes.io/arch": corev1.LabelArchStable, "beta.kubernetes.io/os": corev1.LabelOSStable,
	corev1.LabelInstanceType:            corev1.LabelInstanceTypeStable,
	corev1.LabelFailureDomainBetaZone:   corev1.LabelTopologyZone,
	"node-role.kubernetes.io/master":    "node-role.kubernetes.io/control-plane",
	corev1.LabelFailureDomainBetaRegion: corev1.LabelTopologyRegion,
}

// values are those that nodes have for a label, and keys the labels that nodes have.
func (ev *evaluator) values(key string) []string {
	set := map[string]bool{}
	for _, n := range ev.nodes {
		if v, ok := n.node.Labels[key]; ok {
			set[v] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func (ev *evaluator) labelKeys() []string {
	set := map[string]bool{}
	for _, n := range ev.nodes {
		for k := range n.node.Labels {
			set[k] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func (q *inquiry) selectorFinding() analyzers.Finding {
	f := analyzers.Finding{Code: selectorMismatch}
	ref := cluster.RefOf(q.pod).String()
	if name := q.pod.Spec.NodeName; name != "" {
		return f // waits keeps pods with a node away
	}
	missing := q.ev.unmet(&q.pod.Spec)
	if len(missing) == 0 { // an affinity without terms matches nothing
		f.Summary = "Node affinity has no term that any node can match"
		f.Evidence = []analyzers.Evidence{{Source: ref, Path: "spec.affinity.nodeAffinity", Quote: "nodeAffinity: " + selectorText(q.pod)}}
		return f
	}
	d := missing[0]
	what, path := "Node selector wants ", "spec.nodeSelector"
	if !d.selector {
		what, path = "Node affinity wants ", "spec.affinity.nodeAffinity"
	}
	has := q.ev.values(d.Key)
	met := slices.ContainsFunc(q.ev.nodes, func(n *nodeState) bool { return d.metBy(n.node) })
	quote := "no node has the label " + d.Key
	if len(has) > 0 {
		quote = "labels: " + d.Key + ": " + some(has, 6)
	}
	f.Evidence = []analyzers.Evidence{
		{Source: ref, Path: path, Quote: path[strings.LastIndexByte(path, '.')+1:] + ": " + d.String()},
		{Source: nodeRef(q.ev.nodes[0].node.Name).String(), Path: "metadata.labels", Quote: fmt.Sprintf("%s (of %d nodes)", quote, len(q.ev.nodes))},
	}
	switch {
	case d.field:
		f.Summary = "Node affinity wants node " + strings.Join(d.Values, ", ") + ", which does not exist"
	case met:
		f.Summary = fmt.Sprintf("No node has all that the selector wants: those with the rest lack %s", d)
	case len(has) > 0:
		f.Summary = fmt.Sprintf("%s%s, but nodes have only %s", what, d, some(has, 3))
	default:
		f.Summary = fmt.Sprintf("%s%s, but %s", what, d, noneOf(q.ev, "label "+d.Key))
		if near, ok := q.nearKey(d.Key); ok {
			f.Summary += "; " + near + " was probably meant"
		}
	}
	f.Fixes = q.selectorFixes(d, has)
	return f
}

func (q *inquiry) nearKey(key string) (string, bool) {
	keys := q.ev.labelKeys()
	if now := renamed[key]; now != "" && slices.Contains(keys, now) {
		return now, true
	}
	return analyzers.Nearest(key, keys)
}

func (q *inquiry) selectorFixes(d demand, has []string) []analyzers.Fix {
	var out []analyzers.Fix
	if d.field || d.Operator != corev1.NodeSelectorOpIn || len(d.Values) == 0 {
		return []analyzers.Fix{{Why: "Change the node affinity so that it matches a node; it wants " + d.String()}}
	}
	if value, ok := q.valueThatFits(d, has); ok {
		out = append(out, q.wantLabel(fmt.Sprintf("Ask for %s=%s, which nodes have", d.Key, value), d, d.Key, value))
	} else if near, ok := q.nearKey(d.Key); ok && len(has) == 0 && slices.Contains(q.ev.values(near), d.Values[0]) {
		out = append(out, q.wantLabel(fmt.Sprintf("Ask for %s=%s, which nodes have", near, d.Values[0]), d, near, d.Values[0]))
	}
	// A node that lacks nothing but the label can be given it, unless the label is one
	// that Kubernetes or a cloud provider keeps itself.
	if node, ok := q.nodeToLabel(); ok && !strings.Contains(d.Key, "kubernetes.io/") {
		fix := q.patch(fmt.Sprintf("Give node %s, which fits otherwise, the label %s=%s", node, d.Key, d.Values[0]), nodeRef(node),
			map[string]any{"metadata": map[string]any{"labels": map[string]string{d.Key: d.Values[0]}}})
		fix.Argv = q.Kubectl("", "label", "node", node, d.Key+"="+d.Values[0])
		out = append(out, fix)
	}
	if d.selector {
		out = append(out, q.change("Drop the node selector "+d.String(), map[string]any{"nodeSelector": map[string]any{d.Key: nil}}))
	}
	return out[:min(len(out), 3)]
}

// valueThatFits is the value that was probably meant, or else, where only the value is
// wrong, one with which the pod would fit.
func (q *inquiry) valueThatFits(d demand, has []string) (string, bool) {
	if near, ok := analyzers.Nearest(d.Values[0], has); ok && (q.e == nil || q.fits(q.asking(d, near))) {
		return near, true
	}
	for _, value := range has[:min(len(has), 10)] {
		if q.e != nil && q.fits(q.asking(d, value)) {
			return value, true
		}
	}
	return "", false
}

// asking is the pod with another value for one demand.
func (q *inquiry) asking(d demand, value string) *corev1.Pod {
	pod := q.pod.DeepCopy()
	if d.selector {
		pod.Spec.NodeSelector[d.Key] = value
		return pod
	}
	for i := range requiredNodeTerms(pod).NodeSelectorTerms {
		for j := range requiredNodeTerms(pod).NodeSelectorTerms[i].MatchExpressions {
			if e := &requiredNodeTerms(pod).NodeSelectorTerms[i].MatchExpressions[j]; i == d.term && e.Key == d.Key {
				e.Values = []string{value}
			}
		}
	}
	return pod
}

// wantLabel changes one demand in the template, where it stands there too.
func (q *inquiry) wantLabel(why string, d demand, key, value string) analyzers.Fix {
	spec := q.template()
	if d.selector {
		set := map[string]any{key: value}
		if key != d.Key {
			set[d.Key] = nil
		}
		return q.change(why, map[string]any{"nodeSelector": set})
	}
	a := spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return analyzers.Fix{Why: why}
	}
	required := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.DeepCopy()
	if d.term >= len(required.NodeSelectorTerms) {
		return analyzers.Fix{Why: why}
	}
	for i := range required.NodeSelectorTerms[d.term].MatchExpressions {
		if e := &required.NodeSelectorTerms[d.term].MatchExpressions[i]; e.Key == d.Key {
			e.Key, e.Values = key, []string{value}
		}
	}
	return q.change(why, map[string]any{"affinity": map[string]any{"nodeAffinity": map[string]any{"requiredDuringSchedulingIgnoredDuringExecution": required}}})
}

// nodeToLabel is a node that only the selector turns down.
func (q *inquiry) nodeToLabel() (string, bool) {
	rows := only(q.v.rows, bySelector)
	if len(rows) == 0 {
		return "", false
	}
	return slices.MinFunc(rows, func(a, b *Row) int { return cmp.Compare(a.Node, b.Node) }).Node, true
}
