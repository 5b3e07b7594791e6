package analyzers

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// An Analyzer is one check.
type Analyzer struct {
	// Name is the package and the fault: "services/selector".
	Name string
	// Doc says what the check finds. Its first line is help text and table row: lower
	// case, no full stop, at most 80 characters.
	Doc string
	// Needs are the kinds that Run reads through All, In, Find and Get. What could not
	// be read of them is reported as unchecked.
	Needs []schema.GroupKind
	// Emits are the codes that Run may report.
	Emits []Code
	// Run looks at the Snapshot and reports.
	Run func(*Pass) error
}

// A Role says whether a finding explains others or is explained by them.
type Role string

const (
	// Cause stands on its own: somebody changes this very thing to mend the failure.
	Cause Role = "cause"
	// Symptom follows from something else where that can be seen; it is a root only
	// when nothing that it depends on has a finding.
	Symptom Role = "symptom"
)

// A Code names a failure mode. Its ID is the name of its knowledge page and the label in
// evals; it is never renamed or used again.
type Code struct {
	ID       string
	Severity Severity // usual severity; a Finding may carry another one
	Role     Role
	Title    string
	// Vague says that a cause only repeats what the program said of itself: a more exact
	// cause of the same container, or one that names the same pod as suffering, explains it.
	Vague bool
}

// A Pass is what an Analyzer sees: the Snapshot, and a place to report to.
type Pass struct {
	*cluster.Snapshot
	analyzer *Analyzer
	report   func(Finding)
	again    func(Finding) bool // set by Run
}

// NewPass returns a Pass for one run of a; report receives each finding.
func NewPass(a *Analyzer, s *cluster.Snapshot, report func(Finding)) *Pass {
	return &Pass{Snapshot: s, analyzer: a, report: report}
}

// Report takes a finding. The severity defaults to that of its code. Findings with the
// same code, subject and part are merged by Run into one with all that suffer alike. Where
// a fix cannot reach the broken pod by itself, the step for that is added.
func (p *Pass) Report(f Finding) {
	if f.Severity == "" {
		f.Severity = f.Code.Severity
	}
	f.Fixes = p.thenReplace(f)
	p.report(f)
}

// Again adds one more that suffers alike to a finding that was reported in this run, and
// returns false when there is none yet. A check of thousands of pods asks it before it
// writes summary, evidence and fixes that the first pod's finding has already.
func (p *Pass) Again(code Code, severity Severity, subject Ref, part string, affected Ref) bool {
	return p.again != nil && p.again(Finding{Code: code, Severity: severity, Subject: subject, Part: part, Affected: []Ref{affected}})
}

// Kubectl is a copyable command for the cluster of the Snapshot, with its context and,
// unless empty, the namespace.
func (p *Pass) Kubectl(namespace string, args ...string) []string {
	return Kubectl(p.Snapshot, namespace, args...)
}

// Kubectl is a copyable command for the cluster of s; see Pass.Kubectl.
func Kubectl(s *cluster.Snapshot, namespace string, args ...string) []string {
	argv := []string{"kubectl"}
	if c := s.Info().Context; c != "" {
		argv = append(argv, "--context", c)
	}
	if namespace != "" {
		argv = append(argv, "-n", namespace)
	}
	return append(argv, args...)
}

var (
	analyzerName = regexp.MustCompile(`^[a-z]+/[a-z]+(-[a-z]+)*$`)
	codeID       = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

const maxDocLine = 80

// Validate reports what is wrong with a list of analyzers: bad or repeated names, empty
// documentation, no codes, a code that means two things.
func Validate(list []*Analyzer) error {
	var errs []error
	names, codes := map[string]bool{}, map[string]Code{}
	for _, a := range list {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("analyzer %q: "+format, append([]any{a.Name}, args...)...))
		}
		if !analyzerName.MatchString(a.Name) {
			fail("the name is not area/fault in lower case")
		}
		if names[a.Name] {
			fail("the name is used twice")
		}
		names[a.Name] = true
		if first, _, _ := strings.Cut(a.Doc, "\n"); first == "" || len(first) > maxDocLine || strings.HasSuffix(first, ".") {
			fail("the first line of Doc must have 1 to %d characters and no full stop: %q", maxDocLine, first)
		}
		if a.Run == nil || len(a.Needs) == 0 || len(a.Emits) == 0 {
			fail("Run, Needs and Emits must be set")
		}
		for _, c := range a.Emits {
			if !codeID.MatchString(c.ID) || c.Title == "" || c.Severity.rank() == 0 || (c.Role != Cause && c.Role != Symptom) {
				fail("code %q lacks an id, title, severity or role", c.ID)
			}
			if have, ok := codes[c.ID]; ok && have != c {
				fail("code %q is declared in two ways", c.ID)
			}
			codes[c.ID] = c
		}
	}
	return errors.Join(errs...)
}
