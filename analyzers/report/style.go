package report

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/kubefathom/fathom/analyzers"
)

// styles colour text, or leave it as it is. Colour never carries information alone.
type styles struct{ on bool }

func newStyles(on bool) styles { return styles{on} }

func (s styles) apply(st ansi.Style, text string) string {
	if !s.on {
		return text
	}
	return st.Styled(text)
}

func (s styles) bold(t string) string  { return s.apply(ansi.NewStyle().Bold(), t) }
func (s styles) faint(t string) string { return s.apply(ansi.NewStyle().Faint(), t) }
func (s styles) command(t string) string {
	return s.apply(ansi.NewStyle().ForegroundColor(ansi.Cyan), t)
}
func (s styles) good(t string) string { return s.apply(ansi.NewStyle().ForegroundColor(ansi.Green), t) }

func (s styles) severity(v analyzers.Severity) string {
	text := strings.ToUpper(string(v))
	switch v {
	case analyzers.Critical:
		return s.apply(ansi.NewStyle().Bold().Reverse(true).ForegroundColor(ansi.Red), text)
	case analyzers.Error:
		return s.apply(ansi.NewStyle().Bold().ForegroundColor(ansi.Red), text)
	case analyzers.Warning:
		return s.apply(ansi.NewStyle().Bold().ForegroundColor(ansi.Yellow), text)
	}
	return s.apply(ansi.NewStyle().ForegroundColor(ansi.Blue), text)
}

// Faint stands back.
func (p *Page) Faint(t string) string { return p.style.faint(t) }

// Bold stands out.
func (p *Page) Bold(t string) string { return p.style.bold(t) }

// Good is well.
func (p *Page) Good(t string) string { return p.style.good(t) }

// Bad is where it went wrong.
func (p *Page) Bad(t string) string {
	return p.style.apply(ansi.NewStyle().Bold().ForegroundColor(ansi.Red), t)
}
