package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	defaultWidth = 100
	nonBreaking  = "\u2011"
)

// Text writes the report for people: grouped by root cause, worst first.
func Text(w io.Writer, r *Report, o Options) error {
	p := NewPage(o)
	p.header(r)
	for i, d := range r.Diagnoses {
		if o.Details || d.Severity.AtLeast(analyzers.Warning) {
			p.Diagnosis(i+1, d)
		}
	}
	p.verdict(r)
	if r.Incomplete() {
		p.Line("")
	}
	p.Unchecked(r.Unchecked)
	p.failed(r.Failed)
	_, err := io.WriteString(w, p.String())
	return err
}

// A Page is text of a given width, with or without colour, to be rendered on.
type Page struct {
	strings.Builder
	o     Options
	style styles
}

// NewPage returns an empty page.
func NewPage(o Options) *Page {
	if o.Width <= 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, 40)
	return &Page{o: o, style: newStyles(o.Color)}
}

// Line writes one line, which may be wider than the page.
func (p *Page) Line(s string) { p.WriteString(strings.TrimRight(s, " ") + "\n") }

// Wrapped writes text behind a label, its further lines indented like the first.
func (p *Page) Wrapped(label, text string) {
	indent := ansi.StringWidth(label)
	// Names are full of hyphens, and a name that is broken at one cannot be searched for:
	// the wrapper takes hyphens for places to break, but not the non-breaking ones.
	text = strings.ReplaceAll(text, "-", nonBreaking)
	text = strings.ReplaceAll(ansi.Wrap(text, max(p.o.Width-indent, 20), " "), nonBreaking, "-")
	for i, l := range strings.Split(text, "\n") {
		if i == 0 {
			p.Line(label + l)
		} else {
			p.Line(strings.Repeat(" ", indent) + l)
		}
	}
}

func (p *Page) header(r *Report) {
	parts := []string{}
	if r.Cluster.Context != "" {
		parts = append(parts, r.Cluster.Context)
	}
	if r.Cluster.Version != "" {
		parts = append(parts, "Kubernetes "+r.Cluster.Version)
	}
	switch len(r.Scope.Namespaces) {
	case 0:
		parts = append(parts, "all namespaces")
	case 1:
		parts = append(parts, "namespace "+r.Scope.Namespaces[0])
	default:
		parts = append(parts, "namespaces "+strings.Join(r.Scope.Namespaces, ", "))
	}
	if !r.Cluster.CapturedAt.IsZero() {
		parts = append(parts, r.Cluster.CapturedAt.UTC().Format("2006-01-02 15:04 MST"))
	}
	p.Wrapped("", p.style.faint(strings.Join(parts, " · ")))
	p.Line("")
}

// Diagnosis writes one diagnosis under a number.
func (p *Page) Diagnosis(n int, d Diagnosis) {
	root := d.RootCause
	p.Wrapped("", fmt.Sprintf("%s %s  %s  %s", p.style.bold(itoa(n)), p.style.severity(d.Severity), p.style.bold(root.Subject.String()), p.style.faint(root.Code)))
	p.Wrapped("  ", headline(root))
	if hurt := hurts(d); hurt != "" {
		p.Wrapped("  ", hurt)
	}
	p.evidence(root)
	p.consequences(d)
	p.fixes(d)
	p.Line("")
}

// hurts says who suffers: pods, and the Services that users no longer reach.
func hurts(d Diagnosis) string {
	var parts []string
	if own := alike(d.RootCause); own != "" {
		parts = append(parts, own)
	}
	if n := len(d.Unserved); n > 0 {
		names := make([]string, 0, 3)
		for _, s := range d.Unserved[:min(n, 3)] {
			names = append(names, s.Name)
		}
		text := "Service " + strings.Join(names, ", ")
		if n > 1 {
			text = "Services " + strings.Join(names, ", ")
		}
		if n > 3 {
			text += fmt.Sprintf(" and %d more", n-3)
		}
		if n == 1 {
			text += " has no ready pod"
		} else {
			text += " have no ready pod"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " · ")
}

// alike counts what suffers, by kind when it is all one kind.
func alike(f Finding) string {
	if len(f.Affected) == 0 || f.Count == 1 && f.Affected[0].Is(f.Subject) {
		return ""
	}
	noun := strings.ToLower(f.Affected[0].Kind)
	for _, r := range f.Affected[1:] {
		if !strings.EqualFold(r.Kind, noun) {
			noun = "object"
		}
	}
	text := plural(f.Count, noun)
	if noun != "pod" {
		names := []string{}
		for _, r := range f.Affected[:min(len(f.Affected), 4)] {
			names = append(names, r.Name)
		}
		text += " (" + strings.Join(names, ", ")
		if f.Count > len(names) {
			text += ", …"
		}
		text += ")"
	}
	return text
}

// beside names an object, without the namespace where it is that of the root cause.
func beside(ref, root analyzers.Ref) string {
	if ref.Namespace == root.Namespace {
		ref.Namespace = ""
	}
	return ref.String()
}

const label = 10 // columns of "  because "

func (p *Page) evidence(f Finding) {
	n := 1
	if p.o.Details {
		n = len(f.Evidence)
	}
	for i, e := range f.Evidence[:min(n, len(f.Evidence))] {
		head := ""
		if i == 0 {
			head = "because"
		}
		p.Wrapped(p.label(head), p.evidenceText(e))
	}
}

func (p *Page) evidenceText(e analyzers.Evidence) string {
	where := e.Source
	if e.Path != "" && (p.o.Details || e.Quote == "") {
		where += " " + e.Path
	}
	if !e.At.IsZero() && p.o.Details {
		where += " at " + e.At.UTC().Format("15:04:05")
	}
	if e.Quote == "" {
		return where
	}
	return e.Quote + "  " + p.style.faint("← "+where)
}

func (p *Page) label(s string) string {
	return "  " + p.style.faint(s) + strings.Repeat(" ", label-2-len(s))
}

func (p *Page) consequences(d Diagnosis) {
	list := d.Consequences
	if !p.o.Details {
		list = untold(d)
	}
	n := 3
	if p.o.Details {
		n = len(list)
	}
	for i, f := range list[:min(n, len(list))] {
		head := ""
		if i == 0 {
			head = "so"
		}
		step := strings.Repeat("  ", max(f.Depth-1, 0))
		p.Wrapped(p.label(head)+step, beside(f.Subject, d.RootCause.Subject)+": "+headline(f)+"  "+p.style.faint(f.Code))
	}
	if rest := len(list) - n; rest > 0 {
		p.Line(p.label("") + p.style.faint(fmt.Sprintf("and %s", plural(rest, "more consequence"))))
	}
}

// untold are the consequences that the line of the Services without a ready pod does not
// tell already. What followed from one of those moves a step towards the root.
func untold(d Diagnosis) []Finding {
	var out []Finding
	skipped := []int{} // depths of the findings left out on the way to the present one
	for _, f := range d.Consequences {
		for len(skipped) > 0 && skipped[len(skipped)-1] >= f.Depth {
			skipped = skipped[:len(skipped)-1]
		}
		if slices.ContainsFunc(d.Unserved, f.Subject.Is) {
			skipped = append(skipped, f.Depth)
			continue
		}
		f.Depth -= len(skipped)
		out = append(out, f)
	}
	return out
}

func (p *Page) fixes(d Diagnosis) {
	n := 1
	if p.o.Details {
		n = len(d.Fixes)
	}
	for i, f := range d.Fixes[:min(n, len(d.Fixes))] {
		head := "fix"
		if i > 0 {
			head = "or"
		}
		why := f.Why
		if f.Proof != analyzers.Suggested {
			why += "  " + p.style.good("["+string(f.Proof)+"]")
		}
		p.Wrapped(p.label(head), why)
		if f.Command != "" { // never wrapped: it is to be copied
			p.Line(strings.Repeat(" ", label) + p.style.command(f.Command))
		}
	}
}

func (p *Page) verdict(r *Report) {
	seen := fmt.Sprintf("%s, %s", plural(r.Checked.Objects, "object"), plural(r.Checked.Analyzers, "check"))
	causes, notes, follow := 0, 0, 0
	for _, d := range r.Diagnoses {
		if d.Severity.AtLeast(analyzers.Warning) {
			causes++
			follow += len(d.Consequences)
		} else {
			notes++
		}
	}
	var text string
	switch {
	case causes > 0:
		text = p.style.bold(plural(causes, "root cause"))
		if follow > 0 {
			text += " behind " + plural(causes+follow, "finding")
		}
	case r.Incomplete():
		text = p.style.bold("No problem found in what could be read")
	default:
		text = p.style.good("No problem found")
	}
	if notes > 0 {
		text += ", " + plural(notes, "note")
	}
	p.Wrapped("", text+p.style.faint("  ("+seen+")"))
	if !p.o.Details && len(r.Diagnoses) > 0 {
		p.Wrapped("", p.style.faint("More: --details · fathom why KIND/NAME · fathom explain "+r.Diagnoses[0].RootCause.Code))
	}
}

// Unchecked says what could not be looked at: a line for each state, the command to
// check the first; with details, a line for each kind.
func (p *Page) Unchecked(list []Unchecked) {
	if p.o.Details {
		for _, u := range list {
			p.notChecked(string(u.State), []string{u.name()}, u.Why, u.Hint)
		}
		return
	}
	var order []cluster.State
	byState := map[cluster.State][]Unchecked{}
	for _, u := range list {
		if len(byState[u.State]) == 0 {
			order = append(order, u.State)
		}
		byState[u.State] = append(byState[u.State], u)
	}
	for _, state := range order {
		same := byState[state]
		names, why := []string{}, same[0].Why
		for _, u := range same {
			names = append(names, u.name())
			if u.Why != why {
				why = ""
			}
		}
		if rest := len(names) - maxUnchecked; rest > 0 {
			names = append(names[:maxUnchecked], fmt.Sprintf("and %d more", rest))
		}
		p.notChecked(string(state), names, why, same[0].Hint)
	}
}

// maxUnchecked kinds are named without details.
const maxUnchecked = 6

func (u Unchecked) name() string {
	if u.Namespace == "" {
		return u.Kind
	}
	return u.Kind + " in " + u.Namespace
}

func (p *Page) notChecked(state string, names []string, why, hint string) {
	if why != "" {
		state += ": " + why
	}
	p.Wrapped(p.style.severity(analyzers.Warning)+"  ", "Not checked: "+strings.Join(names, ", ")+"  "+p.style.faint("("+state+")"))
	if hint != "" {
		p.Line(strings.Repeat(" ", label) + p.style.command(hint))
	}
}

func (p *Page) failed(list []Failed) {
	for _, f := range list {
		p.Wrapped(p.style.severity(analyzers.Warning)+"  ", "Check "+f.Analyzer+" failed, its findings are missing: "+f.Error)
	}
}
