package scheduling

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// taintFinding is about nodes that are for others. All nodes where the pod belongs are
// so, or it would have gone to one that is not.
func (q *inquiry) taintFinding() analyzers.Finding {
	names := q.v.nodes()
	taints, byNode := q.untolerated()
	texts := make([]string, len(taints))
	for i := range taints {
		texts[i] = taintText(&taints[i])
	}
	f := analyzers.Finding{Code: untoleratedTaint}
	what := "the taint " + texts[0]
	if len(texts) > 1 {
		what = "taints " + some(texts, 3)
	}
	f.Summary = fmt.Sprintf("%s %s %s, which the pod does not tolerate", upper(nodesText(names)), have(names, "has", "have"), what)
	near := nearToleration(q.pod.Spec.Tolerations, taints)
	switch {
	case near != nil:
		f.Summary = fmt.Sprintf("%s %s %s, but the pod tolerates only %s", upper(nodesText(names)), have(names, "has", "have"), what, tolerationText(near))
	case len(names) < len(q.e.Rows) && q.r.hasSelector:
		f.Summary = fmt.Sprintf("%s, where the selector sends the pod, %s %s, which it does not tolerate", upper(nodesText(names)), have(names, "has", "have"), what)
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(names[0]).String(), Path: "spec.taints", Quote: "taints: " + byNode[names[0]]})
	quote := tolerationsText(q.pod.Spec.Tolerations)
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(q.pod).String(), Path: "spec.tolerations", Quote: "tolerations: " + quote})
	f.Fixes = append(f.Fixes, q.tolerate(taints, near))
	if len(taints) == 1 {
		f.Fixes = append(f.Fixes, q.untaint(names, taints[0]))
	}
	return f
}

// untolerated lists the different taints of the nodes in question, and a text for each node.
func (q *inquiry) untolerated() ([]corev1.Taint, map[string]string) {
	var out []corev1.Taint
	byNode := map[string]string{}
	for _, row := range q.v.rows {
		var texts []string
		for _, j := range row.Rejections {
			if j.kind != byTaint && j.kind != byControlPlane {
				continue
			}
			t := corev1.Taint{Key: j.taint.Key, Value: j.taint.Value, Effect: j.taint.Effect}
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
			texts = append(texts, taintText(&t))
		}
		byNode[row.Node] = strings.Join(texts, ", ")
	}
	return out, byNode
}

// nearToleration is one that was probably meant for one of the taints: the same key
// with another value or effect, or nearly the same key.
func nearToleration(list []corev1.Toleration, taints []corev1.Taint) *corev1.Toleration {
	for i := range list {
		for _, t := range taints {
			if list[i].Key == t.Key {
				return &list[i]
			}
			if _, ok := analyzers.Nearest(list[i].Key, []string{t.Key}); ok && list[i].Key != "" {
				return &list[i]
			}
		}
	}
	return nil
}

// tolerate adds tolerations to those of the template: the list is replaced as a whole
// by a patch.
func (q *inquiry) tolerate(taints []corev1.Taint, instead *corev1.Toleration) analyzers.Fix {
	list := slices.Clone(q.template().Tolerations)
	if instead != nil {
		list = slices.DeleteFunc(list, func(t corev1.Toleration) bool { return t.MatchToleration(instead) })
	}
	texts := make([]string, len(taints))
	for i, t := range taints {
		add := corev1.Toleration{Key: t.Key, Operator: corev1.TolerationOpEqual, Value: t.Value, Effect: t.Effect}
		if t.Value == "" {
			add.Operator = corev1.TolerationOpExists
		}
		list, texts[i] = append(list, add), taintText(&t)
	}
	return q.change("Tolerate "+strings.Join(texts, " and "), map[string]any{"tolerations": list})
}

func (q *inquiry) untaint(names []string, t corev1.Taint) analyzers.Fix {
	args := append(append([]string{"taint", "node"}, names[:min(len(names), 10)]...), taintText(&t)+"-")
	fix := analyzers.Fix{Why: "Remove the taint, so that any pod may go there", Argv: q.Kubectl("", args...)}
	if len(names) == 1 {
		fix.Patch = q.leaveTaints(names[0], map[string]any{}, func(have corev1.Taint) bool { return have.Key == t.Key && have.Effect == t.Effect })
	}
	return fix
}

// leaveTaints is a patch of a node that takes some taints off.
func (q *inquiry) leaveTaints(node string, spec map[string]any, off func(corev1.Taint) bool) *analyzers.Patch {
	left := slices.DeleteFunc(slices.Clone(q.ev.byName[node].node.Spec.Taints), off)
	spec["taints"] = left
	if len(left) == 0 {
		spec["taints"] = nil
	}
	return q.patch("", nodeRef(node), map[string]any{"spec": spec}).Patch
}

func tolerationText(t *corev1.Toleration) string {
	s := t.Key
	if t.Value != "" {
		s += "=" + t.Value
	}
	if s == "" {
		s = "everything"
	}
	if t.Effect != "" {
		s += ":" + string(t.Effect)
	}
	return s
}

func tolerationsText(list []corev1.Toleration) string {
	var out []string
	for i := range list {
		if !passing(list[i].Key) { // every pod has those for not-ready and unreachable
			out = append(out, tolerationText(&list[i]))
		}
	}
	if len(out) == 0 {
		return "none of its own"
	}
	return strings.Join(out, ", ")
}

// stateFinding is about nodes that would take the pod but for a passing state of theirs.
func (q *inquiry) stateFinding() analyzers.Finding {
	cordoned := slices.DeleteFunc(slices.Clone(q.v.rows), func(r *Row) bool {
		return slices.ContainsFunc(r.of(byState), func(j Rejection) bool { return j.Filter != NodeUnschedulable })
	})
	if len(cordoned) > 0 {
		return q.cordonFinding(verdict{byState, cordoned}.nodes())
	}
	names := q.v.nodes()
	taint := q.v.rows[0].of(byState)[0].taint
	for _, j := range q.v.rows[0].of(byState) {
		if j.Filter == TaintToleration {
			taint = j.taint
			break
		}
	}
	state := stateText(taint.Key)
	fit := "the only one for the pod"
	if q.v.rows[0].only(byState) {
		fit = "which would fit"
	}
	if len(names) > 1 && fit != "which would fit" {
		fit = "the only ones for the pod"
	}
	f := analyzers.Finding{
		Code: untoleratedTaint, CausedBy: nodeRefs(names),
		Summary: fmt.Sprintf("%s, %s, %s (taint %s)", upper(nodesText(names)), fit, have(names, "is "+state, "are "+state), taintText(taint)),
		Shared:  fmt.Sprintf("Node %s is %s, and pods that fit only there stay pending", names[0], state),
		Fixes:   []analyzers.Fix{{Why: "Show why the node is in this state", Argv: q.Kubectl("", "describe", "node", names[0])}},
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(names[0]).String(), Path: "spec.taints", Quote: "taints: " + taintText(taint)})
	if taint.TimeAdded != nil {
		f.Evidence[0].At = taint.TimeAdded.Time
	}
	for _, c := range q.ev.byName[names[0]].node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(names[0]).String(), Path: "status.conditions[Ready]", Quote: c.Message, At: c.LastTransitionTime.Time})
		}
	}
	return f
}

// stateText says what a passing taint means, after "is".
func stateText(key string) string {
	switch key {
	case corev1.TaintNodeNotReady:
		return "not ready"
	case corev1.TaintNodeUnreachable:
		return "unreachable"
	case corev1.TaintNodeUnschedulable:
		return "cordoned"
	case corev1.TaintNodeMemoryPressure:
		return "short of memory"
	case corev1.TaintNodeDiskPressure:
		return "short of disk space"
	case corev1.TaintNodePIDPressure:
		return "short of process ids"
	case corev1.TaintNodeNetworkUnavailable:
		return "without network"
	case corev1.TaintNodeOutOfService:
		return "out of service"
	case "node.cloudprovider.kubernetes.io/uninitialized":
		return "not initialised by the cloud controller manager"
	case "ToBeDeletedByClusterAutoscaler", "karpenter.sh/disrupted":
		return "being removed by the autoscaler"
	}
	if owner, ok := strings.CutSuffix(key, "/agent-not-ready"); ok {
		return "not ready for " + owner
	}
	return "in a passing state"
}

func (q *inquiry) cordonFinding(names []string) analyzers.Finding {
	f := analyzers.Finding{
		Code: nodeCordoned, CausedBy: nodeRefs(names),
		Summary: fmt.Sprintf("%s, which would fit, %s cordoned", upper(nodesText(names)), have(names, "is", "are")),
		Shared:  fmt.Sprintf("Node %s is cordoned, and pods that fit only there stay pending", names[0]),
	}
	e := analyzers.Evidence{Source: nodeRef(names[0]).String(), Path: "spec.unschedulable", Quote: "unschedulable: true"}
	for _, t := range q.ev.byName[names[0]].node.Spec.Taints {
		if t.Key == corev1.TaintNodeUnschedulable && t.TimeAdded != nil {
			e.At = t.TimeAdded.Time
		}
	}
	f.Evidence = append([]analyzers.Evidence{e}, q.elsewhere(names)...)
	f.Fixes = []analyzers.Fix{{
		Why:  "Uncordon the node, if its maintenance is over",
		Argv: q.Kubectl("", "uncordon", names[0]),
		Patch: q.leaveTaints(names[0], map[string]any{"unschedulable": nil}, func(t corev1.Taint) bool {
			return t.Key == corev1.TaintNodeUnschedulable
		}),
	}}
	return f
}

// elsewhere says what turns other nodes down: one node for each of two filters.
func (q *inquiry) elsewhere(names []string) []analyzers.Evidence {
	var out []analyzers.Evidence
	own := map[string]bool{}
	for _, n := range names {
		own[n] = true
	}
	for _, row := range q.e.Rows {
		if len(out) == 2 || own[row.Node] || len(row.Rejections) == 0 {
			continue
		}
		e := analyzers.Evidence{Source: nodeRef(row.Node).String(), Path: string(row.Rejections[0].Filter), Quote: row.Rejections[0].Reason}
		if !slices.ContainsFunc(out, func(have analyzers.Evidence) bool { return have.Path == e.Path }) {
			out = append(out, e)
		}
	}
	return out
}
