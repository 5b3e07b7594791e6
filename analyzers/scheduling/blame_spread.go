package scheduling

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// spreadFinding is about a topology spread constraint: the label is missing, or the
// emptiest domain takes no pod while the others may not have one more.
func (q *inquiry) spreadFinding() analyzers.Finding {
	at := q.v.rows[0].of(bySpread)[0].spread
	s := at.of
	f := analyzers.Finding{Code: spreadMismatch}
	f.Evidence = []analyzers.Evidence{{Source: cluster.RefOf(q.pod).String(), Path: "spec.topologySpreadConstraints[" + s.TopologyKey + "]",
		Quote: fmt.Sprintf("maxSkew: %d, whenUnsatisfiable: DoNotSchedule, pods with %s", s.MaxSkew, s.selector)}}
	if len(q.ev.values(s.TopologyKey)) == 0 || at.domain == "" && len(s.matches) == 0 {
		f.Summary = fmt.Sprintf("Spread constraint goes by the label %s, which no node has", s.TopologyKey)
		if len(q.ev.values(s.TopologyKey)) > 0 {
			f.Summary = fmt.Sprintf("Spread constraint goes by the label %s, which no node that fits has", s.TopologyKey)
		}
		if near, ok := q.nearKey(s.TopologyKey); ok {
			f.Summary += "; nodes have " + near
		}
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(q.v.rows[0].Node).String(), Path: "metadata.labels", Quote: "labels: no " + s.TopologyKey})
	} else {
		q.skewed(&f, at)
	}
	f.Fixes = q.spreadFixes(s)
	return f
}

func (q *inquiry) skewed(f *analyzers.Finding, at skew) {
	s := at.of
	emptiest := slices.MinFunc(slices.Sorted(maps.Keys(s.matches)), func(a, b string) int { return cmp.Compare(s.matches[a], s.matches[b]) })
	counts := make([]string, 0, len(s.matches))
	for _, d := range slices.Sorted(maps.Keys(s.matches)) {
		counts = append(counts, fmt.Sprintf("%s %d", d, s.matches[d]))
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(q.pod).String(), Path: "pods per " + s.TopologyKey, Quote: some(counts, 8)})
	if s.MinDomains != nil && len(s.matches) < int(*s.MinDomains) {
		f.Summary = fmt.Sprintf("Spread constraint wants %d different %s, but the nodes have %d", *s.MinDomains, s.TopologyKey, len(s.matches))
		return
	}
	f.Summary = fmt.Sprintf("Spread with maxSkew %d allows no more pods in %s (has %d) while %s (has %d) takes none", s.MaxSkew, at.domain, at.pods, emptiest, s.matches[emptiest])
	for _, n := range q.ev.nodes {
		if row := q.row(n.node.Name); n.node.Labels[s.TopologyKey] == emptiest && row.Node == n.node.Name && len(row.Rejections) > 0 {
			j := row.Rejections[0]
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(row.Node).String(), Path: string(j.Filter), Quote: j.Reason})
			if long := f.Summary + ": " + j.Reason; len(long) <= 160 {
				f.Summary = long
			}
			break
		}
	}
}

func (q *inquiry) spreadFixes(s *spread) []analyzers.Fix {
	var out []analyzers.Fix
	constraint := func(change map[string]any) map[string]any {
		change["topologyKey"] = s.TopologyKey
		return map[string]any{"topologySpreadConstraints": []any{change}}
	}
	try := func(change func(*corev1.TopologySpreadConstraint)) bool {
		pod := q.pod.DeepCopy()
		for i := range pod.Spec.TopologySpreadConstraints {
			if c := &pod.Spec.TopologySpreadConstraints[i]; c.TopologyKey == s.TopologyKey {
				change(c)
			}
		}
		return q.fits(pod)
	}
	honor := corev1.NodeInclusionPolicyHonor
	if s.NodeTaintsPolicy == nil && try(func(c *corev1.TopologySpreadConstraint) { c.NodeTaintsPolicy = &honor }) {
		out = append(out, q.change("Count only nodes whose taints the pod tolerates", constraint(map[string]any{"nodeTaintsPolicy": "Honor"})))
	}
	if hash := q.pod.Labels["pod-template-hash"]; hash != "" && len(s.MatchLabelKeys) == 0 && try(func(c *corev1.TopologySpreadConstraint) { c.MatchLabelKeys = []string{"pod-template-hash"} }) {
		out = append(out, q.change("Count only pods of the new revision, so that the old ones do not skew the count", constraint(map[string]any{"matchLabelKeys": []string{"pod-template-hash"}})))
	}
	out = append(out, q.change("Make the spread a preference instead of a requirement", constraint(map[string]any{"whenUnsatisfiable": "ScheduleAnyway"})))
	return out[:min(len(out), 3)]
}
