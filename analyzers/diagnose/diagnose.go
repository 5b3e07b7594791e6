package diagnose

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A Diagnosis is one root cause and all that follows from it.
type Diagnosis struct {
	// ID is the same for the same fault in a later Snapshot, after pods were replaced.
	ID        string
	Severity  analyzers.Severity // the worst of the root cause and the consequences
	RootCause analyzers.Finding
	// Consequences are what follows, each behind what it follows from.
	Consequences []Consequence
	Fixes        []analyzers.Fix
	// Unserved are the Services that have no ready pod because of this.
	Unserved []analyzers.Ref
}

// A Consequence is a finding and where it stands in the chain.
type Consequence struct {
	analyzers.Finding
	// Depth is 1 for what follows from the root cause itself, 2 for what follows from
	// that, and so on.
	Depth int
}

// Diagnose orders findings into diagnoses, worst first. Each finding is in exactly one.
func Diagnose(s *cluster.Snapshot, findings []analyzers.Finding) []Diagnosis {
	c := newChains(s, findings)
	c.link()
	c.lift()
	var out []Diagnosis
	for i := range c.findings {
		if c.parent[i] < 0 {
			out = append(out, c.diagnosis(i))
		}
	}
	slices.SortStableFunc(out, compareDiagnoses)
	return out
}

// compareDiagnoses puts first what hurts most: by severity, then by how much follows.
func compareDiagnoses(a, b Diagnosis) int {
	return cmp.Or(
		a.Severity.Compare(b.Severity),
		cmp.Compare(len(b.Unserved), len(a.Unserved)),
		cmp.Compare(len(b.Consequences), len(a.Consequences)),
		cmp.Compare(b.RootCause.Count, a.RootCause.Count),
		analyzers.Compare(a.RootCause, b.RootCause),
	)
}

func (c *chains) diagnosis(root int) Diagnosis {
	d := Diagnosis{ID: id(c.findings[root]), RootCause: c.findings[root], Severity: c.findings[root].Severity, Fixes: c.findings[root].Fixes}
	c.follow(root, 1, &d)
	members := []analyzers.Finding{d.RootCause}
	for _, f := range d.Consequences {
		members = append(members, f.Finding)
		if f.Severity.AtLeast(d.Severity) {
			d.Severity = f.Severity
		}
	}
	d.Unserved = c.unserved(members)
	// Users are without service: that is worse than any single object's state.
	if len(d.Unserved) > 0 && d.Severity.AtLeast(analyzers.Error) {
		d.Severity = analyzers.Critical
	}
	return d
}

// follow walks the tree of consequences depth first, the worst branch first.
func (c *chains) follow(i, depth int, d *Diagnosis) {
	children := slices.SortedStableFunc(slices.Values(c.children[i]), func(a, b int) int {
		return analyzers.Compare(c.findings[a], c.findings[b])
	})
	for _, child := range children {
		d.Consequences = append(d.Consequences, Consequence{c.findings[child], depth})
		c.follow(child, depth+1, d)
	}
}

// id is made of what does not change when pods are replaced.
func id(f analyzers.Finding) string {
	sum := sha256.Sum256([]byte(f.Code.ID + "\x00" + f.Subject.Kind + "\x00" + f.Subject.Namespace + "\x00" + f.Subject.Name + "\x00" + f.Part))
	return hex.EncodeToString(sum[:4])
}
