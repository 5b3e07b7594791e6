package analyzers

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestQuotesAreBounded(t *testing.T) {
	long := "start " + strings.Repeat("日", 400) + " end"
	for name, got := range map[string]string{"Quote": Quote(long), "QuoteHead": QuoteHead(long), "Line": Line(long, MaxQuote)} {
		if n := utf8.RuneCountInString(got); n > MaxQuote || !utf8.ValidString(got) || !strings.HasPrefix(got, "start ") || !strings.Contains(got, "…") {
			t.Errorf("%s: %d characters: %s", name, n, got)
		}
	}
	if !strings.HasSuffix(Quote(long), " end") {
		t.Error("Quote must keep the end")
	}
	for _, same := range []string{"", "a short  one", "two\nlines"} {
		if Quote(same) != same || QuoteHead(same) != same {
			t.Errorf("%q was changed", same)
		}
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"a\n\tb  c":  "a b c",
		"a\x1b[31mb": "a [31mb",
		"one, two":   "one…", // no comma before the dots
		"exactly":    "exactly",
		"":           "",
	} {
		n := 7
		if want == "one…" {
			n = 6
		}
		if got := Line(in, n); got != want {
			t.Errorf("Line(%q, %d) = %q, want %q", in, n, got, want)
		}
	}
}
