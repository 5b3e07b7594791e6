package analyzers

import (
	"strings"
	"unicode"
)

const (
	// MaxSummary is one and a half lines of a terminal.
	MaxSummary = 160
	// MaxQuote is what a piece of evidence shows of a longer text.
	MaxQuote = 300
)

// Quote bounds a quote by taking out its middle: both ends of a runtime's message matter.
func Quote(s string) string {
	r := []rune(s)
	if len(r) <= MaxQuote {
		return s
	}
	return string(r[:MaxQuote/2-1]) + "…" + string(r[len(r)-MaxQuote/2:])
}

// QuoteHead bounds a quote by cutting off its end: the beginning of a log line or of an
// event says what it is about.
func QuoteHead(s string) string {
	if r := []rune(s); len(r) > MaxQuote {
		return string(r[:MaxQuote-1]) + "…"
	}
	return s
}

// Line makes one printable line of at most n characters.
func Line(s string, n int) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)), " ")
	if r := []rune(s); len(r) > n {
		return strings.TrimRight(string(r[:n-1]), " ,;:") + "…"
	}
	return s
}
