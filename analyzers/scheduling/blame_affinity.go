package scheduling

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// affinityFinding is about rules between pods: those of the pod, or those of pods that
// already run and keep it away.
func (q *inquiry) affinityFinding() analyzers.Finding {
	names := q.v.nodes()
	// The pod's own rules come before those of others.
	var at rule
	reason := ""
	for _, row := range q.v.rows {
		j := row.of(byAffinity)[0]
		if reason == "" || at.own == nil && j.rule.own != nil {
			at, reason = j.rule, j.Reason
		}
	}
	f := analyzers.Finding{Code: affinity}
	ref := cluster.RefOf(q.pod).String()
	switch {
	case at.own == nil:
		q.kept(&f, at, names)
	case at.anti:
		q.apart(&f, at, names)
	default:
		q.together(&f, at)
		f.Evidence = append([]analyzers.Evidence{{Source: ref, Path: "spec.affinity.podAffinity", Quote: "podAffinity: " + at.own.String()}}, f.Evidence...)
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(names[0]).String(), Path: string(InterPodAffinity), Quote: reason})
	f.Evidence = append(f.Evidence, q.elsewhere(names)...)
	return f
}

// together: the pod wants to be beside others.
func (q *inquiry) together(f *analyzers.Finding, at rule) {
	t := at.own
	if len(q.ev.values(t.key)) == 0 {
		f.Summary = fmt.Sprintf("Pod affinity goes by the label %s, which no node has", t.key)
		if near, ok := q.nearKey(t.key); ok {
			f.Summary += "; nodes have " + near
		}
		f.Fixes = q.topologyFixes(t.key)
		return
	}
	exist, run := 0, 0
	for pod := range cluster.All[*corev1.Pod](q.Snapshot) {
		if !cluster.PodFinished(pod) && pod.UID != q.pod.UID && t.matches(q.ev, pod) {
			exist++
			if pod.Spec.NodeName != "" {
				run++
			}
		}
	}
	switch {
	case run > 0:
		f.Summary = fmt.Sprintf("Pod affinity wants a pod with %s in the same %s, but no node that fits otherwise has one", t.selector, t.key)
	case exist > 0:
		f.Summary = fmt.Sprintf("Pod affinity wants a pod with %s on its node, but such pods have no node yet either", t.selector)
	default:
		f.Summary = fmt.Sprintf("Pod affinity wants a pod with %s in the same %s, but there is none", t.selector, t.key)
		if near, ok := q.nearLabel(t.selector); ok {
			f.Summary += "; pods have " + near
		}
	}
	f.Fixes = []analyzers.Fix{q.soften("podAffinity", "Make the pod affinity a preference instead of a requirement")}
}

// topologyFixes are for a topology key that no node has as a label: go by one that they
// have, a host being the smallest domain, or give them the label.
func (q *inquiry) topologyFixes(key string) []analyzers.Fix {
	to, ok := q.nearKey(key)
	if !ok && len(q.ev.values(corev1.LabelHostname)) > 0 {
		to, ok = corev1.LabelHostname, true
	}
	var out []analyzers.Fix
	if a := q.template().Affinity; ok && a != nil && a.PodAffinity != nil {
		terms := slices.Clone(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
		for i := range terms {
			if terms[i].TopologyKey == key {
				terms[i].TopologyKey = to
			}
		}
		out = append(out, q.change(fmt.Sprintf("Make the pod affinity go by %s, which nodes have", to),
			map[string]any{"affinity": map[string]any{"podAffinity": map[string]any{"requiredDuringSchedulingIgnoredDuringExecution": terms}}}))
	}
	return append(out, analyzers.Fix{Why: fmt.Sprintf("Give each node the label %s with the value of its place", key),
		Argv: q.Kubectl("", "label", "node", q.v.nodes()[0], key+"=<value>")})
}

// nearLabel is a label of pods in the namespace that was probably meant.
func (q *inquiry) nearLabel(sel labels.Selector) (string, bool) {
	reqs, _ := sel.Requirements()
	for _, r := range reqs {
		values := map[string]bool{}
		for pod := range cluster.In[*corev1.Pod](q.Snapshot, q.pod.Namespace) {
			if v, ok := pod.Labels[r.Key()]; ok && pod.Spec.NodeName != "" {
				values[v] = true
			}
		}
		for _, want := range r.ValuesUnsorted() {
			if near, ok := analyzers.Nearest(want, slices.Collect(maps.Keys(values))); ok {
				return r.Key() + "=" + near, true
			}
		}
	}
	return "", false
}

// apart: the pod wants no such pod beside it, and every node has one.
func (q *inquiry) apart(f *analyzers.Finding, at rule, names []string) {
	t, other := at.own, q.Root(at.by)
	f.Evidence = append(f.Evidence,
		analyzers.Evidence{Source: cluster.RefOf(q.pod).String(), Path: "spec.affinity.podAntiAffinity", Quote: "podAntiAffinity: " + t.String()},
		analyzers.Evidence{Source: cluster.RefOf(at.by).String(), Path: "spec.nodeName", Quote: "nodeName: " + at.by.Spec.NodeName})
	// Several nodes may be one domain, such as a zone.
	domains := map[string]bool{}
	for _, n := range names {
		domains[q.ev.byName[n].node.Labels[t.key]] = true
	}
	where := fmt.Sprintf("each of the %d that fit has one", len(domains))
	if len(domains) == 1 {
		where = "the only one that fits has one"
	}
	if other == q.root {
		f.Summary = fmt.Sprintf("Anti-affinity allows one pod with %s per %s, and %s", t.selector, t.key, where)
		if n, ok := q.replicas(); ok && int(n) > len(domains) {
			f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Run only as many replicas as there are places for them",
				Argv: q.Kubectl(q.root.Namespace, "scale", q.root.Short(), fmt.Sprintf("--replicas=%d", len(domains)))})
		}
		soft := q.soften("podAntiAffinity", "Make the anti-affinity a preference; pods that run keep others away until they are replaced")
		soft.Patch = nil // which is why an overlay cannot show that it helps
		f.Fixes = append(f.Fixes, soft)
		return
	}
	f.Summary = fmt.Sprintf("Anti-affinity keeps the pod away from pods with %s (%s) per %s, and %s", t.selector, other, t.key, where)
	f.Fixes = append(f.Fixes, q.soften("podAntiAffinity", "Make the anti-affinity a preference instead of a requirement"))
}

// kept: pods that run have anti-affinity against this one, which works both ways.
func (q *inquiry) kept(f *analyzers.Finding, at rule, names []string) {
	other := q.Root(at.by)
	f.Summary = fmt.Sprintf("Anti-affinity of %s keeps pods with %s off %s", other, at.guard.selector, allNodes(names))
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(at.by).String(), Path: "spec.affinity.podAntiAffinity", Quote: "podAntiAffinity: " + at.guard.String()})
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: fmt.Sprintf("Give the pod labels that the anti-affinity of %s does not select, or narrow that", other)})
	reqs, _ := at.guard.selector.Requirements()
	for _, r := range reqs {
		if _, labelled := q.pod.Labels[r.Key()]; !labelled || !q.free(r.Key()) {
			continue
		}
		patch := map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{r.Key(): nil}}}}}
		fix := q.patch("Remove the label "+r.Key()+" from the pods, if nothing else needs it", q.root, patch)
		fix.Patch = nil // an overlay gives waiting pods the labels of the template and takes none away
		f.Fixes = append(f.Fixes, fix)
		break
	}
}

// free reports whether the workload can do without a label: its selector, which cannot
// be changed, does not name it.
func (q *inquiry) free(key string) bool {
	var sel *metav1.LabelSelector
	switch o := q.owner.(type) {
	case *appsv1.Deployment:
		sel = o.Spec.Selector
	case *appsv1.StatefulSet:
		sel = o.Spec.Selector
	case *appsv1.ReplicaSet:
		sel = o.Spec.Selector
	}
	if sel == nil {
		return false
	}
	_, named := sel.MatchLabels[key]
	return !named && !slices.ContainsFunc(sel.MatchExpressions, func(e metav1.LabelSelectorRequirement) bool { return e.Key == key })
}

func allNodes(names []string) string {
	if len(names) == 1 {
		return "the only node that fits, " + names[0]
	}
	return fmt.Sprintf("all %d nodes that fit", len(names))
}

// soften turns the required terms of the template into preferred ones.
func (q *inquiry) soften(field, why string) analyzers.Fix {
	a := q.template().Affinity
	var required []corev1.PodAffinityTerm
	var preferred []corev1.WeightedPodAffinityTerm
	switch {
	case a == nil:
	case field == "podAffinity" && a.PodAffinity != nil:
		required, preferred = a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	case field == "podAntiAffinity" && a.PodAntiAffinity != nil:
		required, preferred = a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	}
	if len(required) == 0 {
		return analyzers.Fix{Why: why}
	}
	preferred = slices.Clone(preferred)
	for _, t := range required {
		preferred = append(preferred, corev1.WeightedPodAffinityTerm{Weight: 100, PodAffinityTerm: t})
	}
	return q.change(why, map[string]any{"affinity": map[string]any{field: map[string]any{
		"requiredDuringSchedulingIgnoredDuringExecution":  nil,
		"preferredDuringSchedulingIgnoredDuringExecution": preferred,
	}}})
}
