package analyzers

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A Result is what a run over one Snapshot found.
type Result struct {
	Findings []Finding // merged, worst first, in a stable order
	Failed   []Failure // analyzers that broke; their findings are missing
}

// A Failure is an analyzer that returned an error or panicked.
type Failure struct {
	Analyzer string
	Err      error
}

const (
	maxAffected = 10 // kept in Finding.Affected; Count has them all
	maxEvidence = 6  // kept in a merged finding
)

// Run runs the analyzers in turn. One that breaks is named in Failed and the others go
// on. When ctx ends, the rest is named in Failed too.
func Run(ctx context.Context, s *cluster.Snapshot, list []*Analyzer) Result {
	var r Result
	m := merger{at: map[mergeKey]int{}, seen: map[mergeKey]map[Ref]bool{}}
	for _, a := range list {
		if err := runOne(ctx, s, a, &m); err != nil {
			r.Failed = append(r.Failed, Failure{a.Name, err})
		}
	}
	r.Findings = m.list
	slices.SortStableFunc(r.Findings, Compare)
	return r
}

func runOne(ctx context.Context, s *cluster.Snapshot, a *Analyzer, m *merger) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	p := NewPass(a, s, m.add)
	p.again = m.again
	return a.Run(p)
}

// Compare orders findings: worst first, then by code, subject and part.
func Compare(a, b Finding) int {
	return cmp.Or(a.Severity.Compare(b.Severity), cmp.Compare(a.Code.ID, b.Code.ID), CompareRefs(a.Subject, b.Subject), cmp.Compare(a.Part, b.Part))
}

// CompareRefs orders references by namespace, kind and name.
func CompareRefs(a, b Ref) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.APIVersion, b.APIVersion))
}

type mergeKey struct {
	code    string
	subject Ref
	part    string
}

// merger makes one finding of those with the same code, subject and part.
type merger struct {
	list []Finding
	at   map[mergeKey]int
	seen map[mergeKey]map[Ref]bool // all that suffers, also beyond maxAffected
}

// again merges f into the finding that it repeats, if there is one.
func (m *merger) again(f Finding) bool {
	if _, ok := m.at[mergeKey{f.Code.ID, f.Subject, f.Part}]; !ok {
		return false
	}
	m.add(f)
	return true
}

func (m *merger) add(f Finding) {
	key := mergeKey{f.Code.ID, f.Subject, f.Part}
	if m.seen[key] == nil {
		m.seen[key] = map[Ref]bool{}
	}
	count := max(f.Count-len(f.Affected), 0)
	for _, ref := range f.Affected {
		if !m.seen[key][ref] { // two checks may say the same of one pod
			m.seen[key][ref] = true
			count++
		}
	}
	f.Count = count
	i, ok := m.at[key]
	if !ok {
		f.Count = max(1, count)
		m.at[key] = len(m.list)
		f.Affected = slices.Clone(f.Affected[:min(len(f.Affected), maxAffected)])
		m.list = append(m.list, f)
		return
	}
	have := &m.list[i]
	have.Count += f.Count
	if f.Severity.Compare(have.Severity) < 0 {
		have.Severity = f.Severity
	}
	for _, ref := range f.Affected {
		if len(have.Affected) < maxAffected && !slices.Contains(have.Affected, ref) {
			have.Affected = append(have.Affected, ref)
		}
	}
	for _, ref := range f.CausedBy {
		if !slices.Contains(have.CausedBy, ref) {
			have.CausedBy = append(have.CausedBy, ref)
		}
	}
	// The first pod's evidence proves the finding; more of the same adds nothing, but
	// another source, such as a second log, may.
	for _, e := range f.Evidence {
		if len(have.Evidence) < maxEvidence && !slices.ContainsFunc(have.Evidence, func(x Evidence) bool { return x.Path == e.Path }) {
			have.Evidence = append(have.Evidence, e)
		}
	}
}
