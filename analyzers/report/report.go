// Package report is the public shape of an answer and its renderings: text for people,
// JSON and YAML for programs, Markdown for tickets, names for pipes.
//
// The JSON is kept stable: fields are added, never renamed. Every string that came from
// a cluster passes clean on its way in, so that no rendering can carry a control
// sequence to a terminal or a CI log.
package report

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/diagnose"
)

// APIVersion is the version of the JSON form.
const APIVersion = "fathom/v1"

// A Report is the answer to one scan.
type Report struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Cluster    Cluster     `json:"cluster"`
	Scope      Scope       `json:"scope"`
	Checked    Checked     `json:"checked"`
	Diagnoses  []Diagnosis `json:"diagnoses"`
	Unchecked  []Unchecked `json:"unchecked"`
	Failed     []Failed    `json:"failed"`
}

// Cluster says what was looked at, and when.
type Cluster struct {
	Context    string    `json:"context"`
	Version    string    `json:"version"`
	CapturedAt time.Time `json:"capturedAt"`
}

// Scope lists the namespaces that were asked for; none means all.
type Scope struct {
	Namespaces []string `json:"namespaces"`
}

// Checked counts what stands behind "no problem found".
type Checked struct {
	Objects   int `json:"objects"`
	Analyzers int `json:"analyzers"`
}

// A Diagnosis is one root cause with what follows from it.
type Diagnosis struct {
	ID           string             `json:"id"`
	Severity     analyzers.Severity `json:"severity"`
	RootCause    Finding            `json:"rootCause"`
	Consequences []Finding          `json:"consequences"`
	Unserved     []analyzers.Ref    `json:"unserved"` // Services without a ready pod because of this
	Fixes        []Fix              `json:"fixes"`
}

// A Finding is one thing that is wrong.
type Finding struct {
	Code     string               `json:"code"`
	Title    string               `json:"title"`
	Severity analyzers.Severity   `json:"severity"`
	Subject  analyzers.Ref        `json:"subject"`
	Part     string               `json:"part,omitempty"`
	Summary  string               `json:"summary"`
	Count    int                  `json:"count"`
	Affected []analyzers.Ref      `json:"affected"`
	Evidence []analyzers.Evidence `json:"evidence"`
	Depth    int                  `json:"depth,omitempty"` // steps from the root cause
}

// A Fix is one way out, with the command to copy.
type Fix struct {
	Why     string           `json:"why"`
	Command string           `json:"command,omitempty"`
	Argv    []string         `json:"argv,omitempty"`
	Patch   *analyzers.Patch `json:"patch,omitempty"`
	Proof   analyzers.Proof  `json:"proof"`
}

// Unchecked is a kind that could not be read wholly, and what to do about it.
type Unchecked struct {
	Kind      string        `json:"kind"`
	Namespace string        `json:"namespace"`
	State     cluster.State `json:"state"`
	Why       string        `json:"why"`
	Hint      string        `json:"hint"`
}

// Failed is an analyzer that broke.
type Failed struct {
	Analyzer string `json:"analyzer"`
	Error    string `json:"error"`
}

// New makes the report of a run of list over s.
func New(s *cluster.Snapshot, list []*analyzers.Analyzer, diagnoses []diagnose.Diagnosis, failed []analyzers.Failure) *Report {
	info := s.Info()
	r := &Report{
		APIVersion: APIVersion, Kind: "Report",
		Cluster:   Cluster{clean(info.Context), clean(info.Version), info.CapturedAt},
		Scope:     Scope{nonNil(info.Namespaces)},
		Checked:   Checked{s.Count(), len(list)},
		Diagnoses: []Diagnosis{}, Unchecked: unchecked(s, list), Failed: []Failed{},
	}
	for _, d := range diagnoses {
		r.Diagnoses = append(r.Diagnoses, newDiagnosis(d))
	}
	for _, f := range failed {
		r.Failed = append(r.Failed, Failed{f.Analyzer, clean(f.Err.Error())})
	}
	return r
}

func newDiagnosis(d diagnose.Diagnosis) Diagnosis {
	out := Diagnosis{
		ID: d.ID, Severity: d.Severity, RootCause: newFinding(d.RootCause, 0),
		Consequences: []Finding{}, Unserved: cleanRefs(d.Unserved), Fixes: []Fix{},
	}
	for _, c := range d.Consequences {
		out.Consequences = append(out.Consequences, newFinding(c.Finding, c.Depth))
	}
	for _, f := range d.Fixes {
		out.Fixes = append(out.Fixes, newFix(f))
	}
	return out
}

func newFinding(f analyzers.Finding, depth int) Finding {
	out := Finding{
		Code: f.Code.ID, Title: f.Code.Title, Severity: f.Severity, Subject: cleanRef(f.Subject), Part: clean(f.Part),
		Summary: clean(f.Summary), Count: f.Count, Affected: cleanRefs(f.Affected), Evidence: []analyzers.Evidence{}, Depth: depth,
	}
	for _, e := range f.Evidence {
		out.Evidence = append(out.Evidence, analyzers.Evidence{Source: clean(e.Source), Path: clean(e.Path), Quote: clean(e.Quote), At: e.At.UTC()})
	}
	return out
}

func newFix(f analyzers.Fix) Fix {
	argv := make([]string, len(f.Argv))
	for i, a := range f.Argv {
		argv[i] = clean(a)
	}
	out := Fix{Why: clean(f.Why), Argv: argv, Patch: f.Patch, Proof: f.Proof}
	out.Command = analyzers.Fix{Argv: argv}.Command()
	if out.Proof == "" {
		out.Proof = analyzers.Suggested
	}
	return out
}

// unchecked lists what the analyzers needed and could not read, in the order of the
// table of kinds. A built-in kind that the server does not serve has no objects.
func unchecked(s *cluster.Snapshot, list []*analyzers.Analyzer) []Unchecked {
	needed := map[schema.GroupKind]bool{}
	for _, a := range list {
		for _, gk := range a.Needs {
			needed[gk] = true
		}
	}
	out := []Unchecked{}
	for _, k := range cluster.Kinds() {
		if !needed[k.GroupKind()] {
			continue
		}
		for _, a := range s.Access(k.GroupKind()) {
			if a.State == cluster.NotCollected && k.Custom() {
				continue // most clusters do not have it: its absence from a file says nothing
			}
			if a.State != cluster.Complete && a.State != cluster.NotServed {
				out = append(out, Unchecked{a.Kind, clean(a.Namespace), a.State, clean(a.Why), clean(a.Hint)})
			}
		}
	}
	return out
}

// Worst is the worst severity in the report, or "" when it is clean.
func (r *Report) Worst() analyzers.Severity {
	var worst analyzers.Severity
	for _, d := range r.Diagnoses {
		if d.Severity.AtLeast(worst) {
			worst = d.Severity
		}
	}
	return worst
}

// Incomplete reports whether anything that was needed could not be looked at.
func (r *Report) Incomplete() bool { return len(r.Unchecked) > 0 || len(r.Failed) > 0 }

// Blind reports whether nothing that lives in a namespace could be read: such a report
// says nothing at all about the workloads.
func Blind(s *cluster.Snapshot) bool {
	for _, k := range cluster.Kinds() {
		if !k.Namespaced {
			continue
		}
		for _, a := range s.Access(k.GroupKind()) {
			if a.State == cluster.Complete || a.State == cluster.Partial {
				return false
			}
		}
	}
	return true
}

// About returns the diagnoses in which ref is the root cause, suffers, or is affected.
func (r *Report) About(refs ...analyzers.Ref) []Diagnosis {
	match := func(have analyzers.Ref) bool { return slices.ContainsFunc(refs, have.Is) }
	var out []Diagnosis
	for _, d := range r.Diagnoses {
		if match(d.RootCause.Subject) || slices.ContainsFunc(d.RootCause.Affected, match) || slices.ContainsFunc(d.Unserved, match) ||
			slices.ContainsFunc(d.Consequences, func(f Finding) bool { return match(f.Subject) || slices.ContainsFunc(f.Affected, match) }) {
			out = append(out, d)
		}
	}
	return out
}

func nonNil(list []string) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, clean(s))
	}
	return out
}

func cleanRef(r analyzers.Ref) analyzers.Ref {
	return analyzers.Ref{APIVersion: clean(r.APIVersion), Kind: clean(r.Kind), Namespace: clean(r.Namespace), Name: clean(r.Name)}
}

func cleanRefs(list []analyzers.Ref) []analyzers.Ref {
	out := make([]analyzers.Ref, len(list))
	for i, r := range list {
		out[i] = cleanRef(r)
	}
	return out
}

// plural is "1 pod", "2 pods".
func plural(n int, noun string) string {
	s := itoa(n) + " " + noun
	if n == 1 {
		return s
	}
	switch {
	case strings.HasSuffix(noun, "s"):
		return s + "es"
	case strings.HasSuffix(noun, "y"):
		return strings.TrimSuffix(s, "y") + "ies"
	}
	return s + "s"
}
