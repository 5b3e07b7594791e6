package analyzers

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

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

// Run runs the analyzers, several at once, and merges what they report in the order of
// the list, so that the result does not depend on which one was faster. One that breaks
// is named in Failed and the others go on. When ctx ends, the rest is named in Failed too.
func Run(ctx context.Context, s *cluster.Snapshot, list []*Analyzer) Result {
	var (
		found = make([]*merger, len(list))
		errs  = make([]error, len(list))
		next  atomic.Int64
		wg    sync.WaitGroup
	)
	for range min(runtime.GOMAXPROCS(0), len(list)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(list)); i = next.Add(1) - 1 {
				found[i] = newMerger()
				errs[i] = runOne(ctx, s, list[i], found[i])
			}
		})
	}
	wg.Wait()
	var r Result
	all := newMerger()
	for i, a := range list {
		if errs[i] != nil {
			r.Failed = append(r.Failed, Failure{a.Name, errs[i]})
		}
		all.merge(found[i])
	}
	r.Findings = all.list
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
	more map[mergeKey]int          // counted and not named
}

func newMerger() *merger {
	return &merger{at: map[mergeKey]int{}, seen: map[mergeKey]map[Ref]bool{}, more: map[mergeKey]int{}}
}

func keyOf(f Finding) mergeKey { return mergeKey{f.Code.ID, f.Subject, f.Part} }

// again merges f into the finding that it repeats, if there is one.
func (m *merger) again(f Finding) bool {
	if _, ok := m.at[keyOf(f)]; !ok {
		return false
	}
	m.add(f)
	return true
}

// merge takes over what another merger has.
func (m *merger) merge(other *merger) {
	for _, f := range other.list {
		key := keyOf(f)
		f.Count = other.more[key] + len(f.Affected)
		m.add(f)
		for ref := range other.seen[key] {
			m.seen[key][ref] = true
		}
		m.count(key)
	}
}

func (m *merger) add(f Finding) {
	key := keyOf(f)
	if m.seen[key] == nil {
		m.seen[key] = map[Ref]bool{}
	}
	for _, ref := range f.Affected { // two checks may say the same of one pod
		m.seen[key][ref] = true
	}
	m.more[key] += max(f.Count-len(f.Affected), 0)
	if i, ok := m.at[key]; ok {
		m.list[i].absorb(f)
	} else {
		m.at[key] = len(m.list)
		f.Affected = slices.Clone(f.Affected[:min(len(f.Affected), maxAffected)])
		m.list = append(m.list, f)
	}
	m.count(key)
}

func (m *merger) count(key mergeKey) {
	m.list[m.at[key]].Count = max(1, len(m.seen[key])+m.more[key])
}

// absorb takes over what another finding of the same thing adds.
func (f *Finding) absorb(other Finding) {
	if other.Severity.Compare(f.Severity) < 0 {
		f.Severity = other.Severity
	}
	for _, ref := range other.Affected {
		if len(f.Affected) < maxAffected && !slices.Contains(f.Affected, ref) {
			f.Affected = append(f.Affected, ref)
		}
	}
	for _, ref := range other.CausedBy {
		if !slices.Contains(f.CausedBy, ref) {
			f.CausedBy = append(f.CausedBy, ref)
		}
	}
	// The first pod's evidence proves the finding; more of the same adds nothing, but
	// another source, such as a second log, may.
	for _, e := range other.Evidence {
		if len(f.Evidence) < maxEvidence && !slices.ContainsFunc(f.Evidence, func(x Evidence) bool { return x.Path == e.Path }) {
			f.Evidence = append(f.Evidence, e)
		}
	}
}
