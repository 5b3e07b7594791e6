package why

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kubefathom/fathom/analyzers/pods"
	"github.com/kubefathom/fathom/analyzers/report"
)

// A Format renders an answer.
type Format func(io.Writer, *Answer, report.Options) error

// Formats are the renderings by name.
var Formats = map[string]Format{"text": Text, "json": JSON, "yaml": YAML}

// JSON writes the answer as indented JSON.
func JSON(w io.Writer, a *Answer, _ report.Options) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(a)
}

// YAML writes the same as JSON, as YAML.
func YAML(w io.Writer, a *Answer, _ report.Options) error {
	data, err := yaml.Marshal(a)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// maxNodes are shown without --details.
const maxNodes = 8

// Text writes the answer for people.
func Text(w io.Writer, a *Answer, o report.Options) error {
	p := report.NewPage(o)
	head := p.Bold(a.Object.String())
	if a.Pods > 0 {
		head += fmt.Sprintf("  %d of %d pods ready", a.Ready, a.Pods)
	}
	p.Wrapped("", head)
	p.Line("")
	writeJourney(p, a)
	fits(p, a, o)
	for i, d := range a.Diagnoses {
		p.Diagnosis(i+1, d)
	}
	changes(p, a)
	if len(a.Diagnoses) == 0 {
		p.Wrapped("", verdict(p, a))
	}
	p.Unchecked(a.Unchecked)
	_, err := io.WriteString(w, p.String())
	return err
}

// verdict is what is said when no diagnosis is about the object. One that is still on its
// way is not well yet.
func verdict(p *report.Page, a *Answer) string {
	if a.Journey != nil {
		if stage, ok := a.Journey.Stopped(); ok {
			name := strings.ReplaceAll(stage.Name, "-", " ")
			return p.Bold("No finding yet about "+a.Object.String()) + ": it is at " + name + " (" + words[stage.State] + ")"
		}
	}
	return p.Good("No problem found with " + a.Object.String())
}

var marks = map[pods.State]string{
	pods.Passed: "✓", pods.Current: "…", pods.Blocked: "✗", pods.Pending: "·", pods.Unknown: "?",
}

// words say the same as the marks, for those who cannot see them.
var words = map[pods.State]string{
	pods.Current: "in progress", pods.Blocked: "stopped here", pods.Pending: "not reached", pods.Unknown: "cannot be seen",
}

func writeJourney(p *report.Page, a *Answer) {
	if a.Journey == nil {
		return
	}
	p.Wrapped("", "Journey of "+a.Journey.Subject.String())
	for _, s := range a.Journey.Stages {
		if s.State == pods.NotApplicable {
			continue
		}
		name := fmt.Sprintf("%-18s", strings.ReplaceAll(s.Name, "-", " "))
		took := ""
		if s.Took > 0 {
			took = short(s.Took)
		}
		text := strings.TrimSpace(words[s.State] + "  " + s.Detail)
		label := fmt.Sprintf("  %s %s %7s  ", marks[s.State], name, took)
		switch s.State {
		case pods.Blocked:
			label = p.Bad(label)
		case pods.Pending:
			label = p.Faint(label)
		}
		p.Wrapped(label, text)
	}
	p.Line("")
}

func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

func fits(p *report.Page, a *Answer, o report.Options) {
	if len(a.Nodes) == 0 {
		return
	}
	p.Line("Why no node takes it")
	n := maxNodes
	if o.Details {
		n = len(a.Nodes)
	}
	width := 0
	for _, f := range a.Nodes[:min(n, len(a.Nodes))] {
		width = max(width, len(f.Node))
	}
	for _, f := range a.Nodes[:min(n, len(a.Nodes))] {
		reasons := strings.Join(f.Reasons, "; ")
		if reasons == "" {
			reasons = "would fit"
		}
		p.Wrapped(fmt.Sprintf("  %-*s  ", width, f.Node), reasons)
	}
	if rest := len(a.Nodes) - n; rest > 0 {
		p.Line(p.Faint(fmt.Sprintf("  and %d more nodes", rest)))
	}
	p.Line("")
}

func changes(p *report.Page, a *Answer) {
	if a.Changed == nil {
		return
	}
	good := "the revision before"
	if a.Changed.From.Served {
		good = "the last good revision"
	}
	p.Wrapped("", fmt.Sprintf("Changed in revision %d since %d, %s", a.Changed.To.Number, a.Changed.From.Number, good))
	for _, c := range a.Changed.Changes {
		p.Wrapped("  ", c.String())
	}
	p.Line("")
}
