package diagnose

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// maxDistance bounds the way from a symptom to its cause, in edges: Ingress, Service,
// workload, claim, volume, node.
const maxDistance = 6

// chains links each finding to the one that it follows from.
type chains struct {
	s        *cluster.Snapshot
	g        *graph
	findings []analyzers.Finding
	at       map[analyzers.Ref][]int // vertex -> findings about it
	// suffering maps a pod to the causes that name it as affected.
	suffering map[analyzers.Ref][]int
	parent    []int // -1 for a root
	children  [][]int
}

func newChains(s *cluster.Snapshot, findings []analyzers.Finding) *chains {
	c := &chains{s: s, g: newGraph(s), findings: slices.Clone(findings), at: map[analyzers.Ref][]int{}, suffering: map[analyzers.Ref][]int{}}
	slices.SortStableFunc(c.findings, analyzers.Compare)
	for i, f := range c.findings {
		v := c.g.node(f.Subject)
		c.at[v] = append(c.at[v], i)
		if f.Code.Role == analyzers.Cause {
			for _, a := range f.Affected {
				c.g.suffers(a, v)
				if a.Kind == "Pod" {
					c.suffering[canonical(a)] = append(c.suffering[canonical(a)], i)
				}
			}
		}
	}
	c.parent = make([]int, len(c.findings))
	c.children = make([][]int, len(c.findings))
	for i := range c.parent {
		c.parent[i] = -1
	}
	return c
}

func (c *chains) link() {
	for i, f := range c.findings {
		p := c.namedCause(i)
		if p < 0 && f.Code.Vague {
			p = c.exactCause(i)
		}
		if p < 0 && f.Code.Role == analyzers.Symptom {
			p = c.nearestCause(i)
		}
		if p >= 0 {
			c.adopt(p, i)
		}
	}
}

// adopt makes child follow from parent, unless parent already follows from child.
func (c *chains) adopt(parent, child int) {
	for at := parent; at >= 0; at = c.parent[at] {
		if at == child {
			return
		}
	}
	c.parent[child] = parent
	c.children[parent] = append(c.children[parent], child)
}

// namedCause finds the finding behind an object that the finding itself names.
func (c *chains) namedCause(i int) int {
	for _, ref := range c.findings[i].CausedBy {
		from := c.g.node(ref)
		if from == c.g.node(c.findings[i].Subject) {
			continue
		}
		if p := c.search(from, i, func(int) bool { return true }); p >= 0 {
			return p
		}
	}
	return -1
}

// nearestCause finds what a symptom follows from: the nearest cause that can be reached
// from its subject, by way of the symptoms between; without one, the nearest symptom of
// another object; without that, a worse symptom of the same object.
func (c *chains) nearestCause(i int) int {
	from := c.g.node(c.findings[i].Subject)
	if p := c.search(from, i, func(j int) bool { return c.causes(j, i) }); p >= 0 {
		return c.firstOnWay(from, i, p)
	}
	other := func(j int) bool { return c.g.node(c.findings[j].Subject) != from }
	if p := c.search(from, i, other); p >= 0 {
		return p
	}
	for _, j := range c.at[from] {
		if j != i && c.findings[j].Code.Role == analyzers.Symptom && analyzers.Compare(c.findings[j], c.findings[i]) < 0 {
			return j
		}
	}
	return -1
}

// exactCause finds what explains a vague cause: another cause of the same part of the same
// object, or one whose check found that the same pod suffers from another object.
func (c *chains) exactCause(i int) int {
	f, best := c.findings[i], -1
	at := c.g.node(f.Subject)
	take := func(j int) {
		if j != i && !c.findings[j].Code.Vague && c.causes(j, i) && (best < 0 || c.before(j, best)) {
			best = j
		}
	}
	for _, j := range c.at[at] {
		if f.Part != "" && c.findings[j].Part == f.Part {
			take(j)
		}
	}
	for _, pod := range f.Affected {
		for _, j := range c.suffering[canonical(pod)] {
			if c.g.node(c.findings[j].Subject) != at {
				take(j)
			}
		}
	}
	return best
}

// causes reports whether a finding that stands where a symptom leads can be its cause. A
// mere risk, such as a kubelet that was restarted, stops nothing: unless the symptom is no
// more than that, it has another cause, seen or not.
func (c *chains) causes(cause, symptom int) bool {
	a, b := c.findings[cause], c.findings[symptom]
	return a.Code.Role == analyzers.Cause && (a.Severity.AtLeast(analyzers.Error) || !b.Severity.AtLeast(analyzers.Error))
}

// firstOnWay prefers, between a symptom and its cause, a symptom of an object in
// between, so that the chain shows each step. The one in between leads to the same cause.
func (c *chains) firstOnWay(from analyzers.Ref, i, cause int) int {
	between := func(j int) bool {
		v := c.g.node(c.findings[j].Subject)
		if v == from || c.findings[j].Code.Role != analyzers.Symptom {
			return false
		}
		return c.search(v, j, func(k int) bool { return c.findings[k].Code.Role == analyzers.Cause }) == cause
	}
	if p := c.search(from, i, between); p >= 0 {
		return p
	}
	return cause
}

// search walks the graph breadth first from a vertex, itself included, to the nearest
// finding other than i that accept takes. At one vertex causes come before symptoms,
// worse findings before others.
func (c *chains) search(from analyzers.Ref, i int, accept func(int) bool) int {
	seen := map[analyzers.Ref]bool{from: true}
	level := []analyzers.Ref{from}
	for range maxDistance {
		var next []analyzers.Ref
		for _, v := range level {
			best := -1
			for _, j := range c.at[v] {
				if j != i && accept(j) && (best < 0 || c.fits(j, best, i)) {
					best = j
				}
			}
			if best >= 0 {
				return best
			}
			for _, to := range c.g.dependsOn(v) {
				if !seen[to] {
					seen[to] = true
					next = append(next, to)
				}
			}
		}
		level = next
	}
	return -1
}

// fits reports whether a explains the finding i better than b at the same vertex: one that
// names i's subject among those who suffer does, as one policy may cut off two clients, each
// by a slip of its own.
func (c *chains) fits(a, b, i int) bool {
	names := func(j int) bool {
		return slices.ContainsFunc(c.findings[j].Affected, func(r analyzers.Ref) bool { return c.g.node(r) == c.g.node(c.findings[i].Subject) })
	}
	if na, nb := names(a), names(b); na != nb {
		return na
	}
	return c.before(a, b)
}

func (c *chains) before(a, b int) bool {
	if ra, rb := c.findings[a].Code.Role, c.findings[b].Code.Role; ra != rb {
		return ra == analyzers.Cause
	}
	return analyzers.Compare(c.findings[a], c.findings[b]) < 0
}

// lift puts one root above the roots that have the same code and name the same object
// behind them, when no finding is about that object.
func (c *chains) lift() {
	type key struct {
		code string
		ref  analyzers.Ref
	}
	groups := map[key][]int{}
	var order []key
	for i, f := range c.findings {
		if c.parent[i] >= 0 || f.Shared == "" || len(f.CausedBy) == 0 {
			continue
		}
		k := key{f.Code.ID, canonical(f.CausedBy[0])}
		if len(groups[k]) == 0 {
			order = append(order, k)
		}
		groups[k] = append(groups[k], i)
	}
	for _, k := range order {
		if members := groups[k]; c.subjects(members) > 1 {
			c.addShared(members)
		}
	}
}

func (c *chains) subjects(members []int) int {
	seen := map[analyzers.Ref]bool{}
	for _, i := range members {
		seen[c.findings[i].Subject] = true
	}
	return len(seen)
}

func (c *chains) addShared(members []int) {
	first := c.findings[members[0]]
	root := analyzers.Finding{Code: first.Code, Severity: first.Severity, Subject: first.CausedBy[0], Summary: first.Shared}
	for _, i := range members {
		f := c.findings[i]
		if f.Severity.AtLeast(root.Severity) {
			root.Severity = f.Severity
		}
		if !slices.Contains(root.Affected, f.Subject) {
			root.Affected = append(root.Affected, f.Subject)
		}
		if len(f.Evidence) > 0 {
			root.Evidence = append(root.Evidence, f.Evidence[0])
		}
	}
	root.Count = len(root.Affected)
	root.Fixes = sharedFixes(c.findings, members)
	root.Evidence = root.Evidence[:min(len(root.Evidence), 3)]
	c.findings = append(c.findings, root)
	c.parent = append(c.parent, -1)
	c.children = append(c.children, nil)
	for _, i := range members {
		c.adopt(len(c.findings)-1, i)
	}
}

// sharedFixes keeps the fixes that all members propose in the same words: what mends
// the shared object. What mends one member alone stays with that member. Without a
// common one, the first member's first fix is better than none.
func sharedFixes(findings []analyzers.Finding, members []int) []analyzers.Fix {
	var out []analyzers.Fix
	for _, fix := range findings[members[0]].Fixes {
		same := func(other analyzers.Fix) bool { return other.Why == fix.Why && slices.Equal(other.Argv, fix.Argv) }
		everywhere := true
		for _, i := range members[1:] {
			everywhere = everywhere && slices.ContainsFunc(findings[i].Fixes, same)
		}
		if everywhere {
			out = append(out, fix)
		}
	}
	if len(out) == 0 && len(findings[members[0]].Fixes) > 0 {
		out = findings[members[0]].Fixes[:1]
	}
	return out
}

// unserved returns the Services that send users to the workloads of these findings and
// have no pod that is ready.
func (c *chains) unserved(members []analyzers.Finding) []analyzers.Ref {
	var out []analyzers.Ref
	vertices := map[analyzers.Ref]bool{}
	namespaces := map[string]bool{}
	for _, f := range members {
		vertices[c.g.node(f.Subject)] = true
		namespaces[f.Subject.Namespace] = true
	}
	for svc := range cluster.All[*corev1.Service](c.s) {
		if !namespaces[svc.Namespace] || len(svc.Spec.Selector) == 0 || !c.needs(svc, vertices) {
			continue
		}
		if !slices.ContainsFunc(c.s.PodsWith(svc.Namespace, svc.Spec.Selector), cluster.PodReady) {
			out = append(out, cluster.RefOf(svc))
		}
	}
	return out
}

func (c *chains) needs(svc *corev1.Service, vertices map[analyzers.Ref]bool) bool {
	v := c.g.node(cluster.RefOf(svc))
	if vertices[v] {
		return true
	}
	return slices.ContainsFunc(c.g.dependsOn(v), func(to analyzers.Ref) bool { return vertices[to] })
}
