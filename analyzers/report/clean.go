package report

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// Clean is what every text of a cluster passes before it is shown: see clean.
func Clean(s string) string { return clean(s) }

// clean makes text of a cluster harmless on one line: terminal sequences, control
// characters, and characters that hide or reorder text (Unicode category Cf, such as
// bidirectional overrides) are gone; line ends and tabs become a space.
func clean(s string) string {
	if harmless(s) {
		return s
	}
	s = ansi.Strip(strings.ToValidUTF8(s, "\uFFFD"))
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200d' || r == '\u2028' || r == '\u2029':
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

// harmless is the quick way for nearly all text.
func harmless(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

func itoa(n int) string { return strconv.Itoa(n) }
