package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"sigs.k8s.io/yaml"
)

// Options set how a report is rendered.
type Options struct {
	Width   int  // columns; 0 is 100
	Color   bool // ANSI colours
	Details bool // all evidence, consequences and fixes
}

// A Format renders a report.
type Format func(io.Writer, *Report, Options) error

// Formats are the renderings by name.
var Formats = map[string]Format{
	"text":     Text,
	"json":     JSON,
	"yaml":     YAML,
	"markdown": Markdown,
	"name":     Names,
}

// FormatNames lists the renderings, sorted.
func FormatNames() []string {
	var out []string
	for name := range Formats {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// JSON writes the report as indented JSON.
func JSON(w io.Writer, r *Report, _ Options) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// YAML writes the same as JSON, as YAML.
func YAML(w io.Writer, r *Report, _ Options) error {
	data, err := yaml.Marshal(r)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	_, err = w.Write(data)
	return err
}

// Names writes "kind/name" of each root cause, with the namespace in front as kubectl
// takes it, worst first and each once.
func Names(w io.Writer, r *Report, _ Options) error {
	seen := map[string]bool{}
	for _, d := range r.Diagnoses {
		s := d.RootCause.Subject
		line := s.Short()
		if s.Namespace != "" {
			line = "-n " + s.Namespace + " " + line
		}
		if seen[line] {
			continue
		}
		seen[line] = true
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// headline is what a person reads first about a finding.
func headline(f Finding) string {
	return f.Summary
}
