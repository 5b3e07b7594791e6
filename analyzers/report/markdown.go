package report

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report for a ticket or a pull request.
func Markdown(w io.Writer, r *Report, o Options) error {
	var b strings.Builder
	title := "Fathom: no problem found"
	if n := len(r.Diagnoses); n > 0 {
		title = "Fathom: " + plural(n, "root cause")
	} else if r.Incomplete() {
		title = "Fathom: no problem found in what could be read"
	}
	fmt.Fprintf(&b, "## %s\n\n", title)
	where := []string{}
	for _, s := range []string{r.Cluster.Context, r.Cluster.Version, strings.Join(r.Scope.Namespaces, ", ")} {
		if s != "" {
			where = append(where, escape(s))
		}
	}
	fmt.Fprintf(&b, "%s\n", strings.Join(append(where, r.Cluster.CapturedAt.UTC().Format("2006-01-02 15:04 MST")), " · "))
	for i, d := range r.Diagnoses {
		markdownDiagnosis(&b, i+1, d, o)
	}
	if r.Incomplete() {
		b.WriteString("\n### Not checked\n\n")
		for _, u := range r.Unchecked {
			in := ""
			if u.Namespace != "" {
				in = " in " + escape(u.Namespace)
			}
			fmt.Fprintf(&b, "- %s%s: %s\n", escape(u.Kind), in, escape(string(u.State)+" "+u.Why))
		}
		for _, f := range r.Failed {
			fmt.Fprintf(&b, "- check %s failed: %s\n", escape(f.Analyzer), escape(f.Error))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownDiagnosis(b *strings.Builder, n int, d Diagnosis, o Options) {
	fmt.Fprintf(b, "\n### %d. %s: %s\n\n%s\n", n, d.Severity, escape(d.RootCause.Subject.String()), escape(headline(d.RootCause)))
	if hurt := hurts(d); hurt != "" {
		fmt.Fprintf(b, "\n%s\n", escape(hurt))
	}
	evidence := d.RootCause.Evidence
	if !o.Details {
		evidence = evidence[:min(len(evidence), 2)]
	}
	for i, e := range evidence {
		if i == 0 {
			b.WriteString("\nEvidence:\n\n")
		}
		fmt.Fprintf(b, "- %s %s %s\n", escape(e.Source), escape(e.Path), code(e.Quote))
	}
	for i, f := range d.Consequences {
		if i == 0 {
			b.WriteString("\nWhat follows:\n\n")
		}
		fmt.Fprintf(b, "%s- %s: %s (`%s`)\n", strings.Repeat("  ", max(f.Depth-1, 0)), escape(f.Subject.String()), escape(headline(f)), f.Code)
	}
	for i, f := range d.Fixes {
		if i == 0 {
			b.WriteString("\nFix:\n")
		} else if !o.Details {
			break
		}
		fmt.Fprintf(b, "\n%s (%s)\n", escape(f.Why), f.Proof)
		if f.Command != "" {
			fence := fenceFor(f.Command)
			fmt.Fprintf(b, "\n%ssh\n%s\n%s\n", fence, f.Command, fence)
		}
	}
	fmt.Fprintf(b, "\nCode: `%s`, id: `%s`\n", d.RootCause.Code, d.ID)
}

// escape makes text of a cluster plain in Markdown, HTML and mentions included.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '@':
			b.WriteString("@\u200b") // a zero-width space ends the mention
		case strings.ContainsRune("\\`*_[]#|~", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// code is a code span that text cannot leave.
func code(s string) string {
	if s == "" {
		return ""
	}
	ticks := longestRun(s, '`') + 1
	fence := strings.Repeat("`", ticks)
	if ticks > 1 || strings.HasPrefix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

func fenceFor(s string) string { return strings.Repeat("`", max(3, longestRun(s, '`')+1)) }

func longestRun(s string, c rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if r == c {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}
