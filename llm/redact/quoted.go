package redact

import (
	"strings"
	"unicode/utf8"
)

// How far the end of a quoted value is looked for, and of one whose quotes are
// escaped more than twice, of which the end is not remembered.
const (
	maxQuoted  = 1 << 20
	maxEscaped = 1 << 14
)

// A closing is where the quoted value begun last is closed. One that begins
// inside of it is closed there, too.
type closing struct{ from, to, next int }

// quotedValue is the function of that name, remembering its last answers.
func (sc *scanner) quotedValue(v int) (start, end, next int) {
	start, escapes, quote := openQuote(sc.s, v)
	if start == 0 {
		return 0, 0, 0
	}
	if escapes >= len(sc.closings[0]) {
		return quotedValue(sc.s, v)
	}
	last := &sc.closings[strings.IndexByte("\"'`", quote)][escapes]
	if start < last.from || start > last.to || last.next == 0 {
		last.from, last.to, last.next = quotedValue(sc.s, v)
	}
	return start, max(start, last.to), last.next
}

// openQuote returns the first byte behind the quote at s[v], or 0.
func openQuote(s string, v int) (start, escapes int, quote byte) {
	i := v
	if i+1 < len(s) && (s[i] == 'b' || s[i] == 'u' || s[i] == 'r') && (s[i+1] == '\'' || s[i+1] == '"') {
		i++ // Python's b'…'
	}
	for i < len(s) && s[i] == '\\' {
		escapes++
		i++
	}
	if i >= len(s) || !isQuote(s[i]) {
		return 0, 0, 0
	}
	return i + 1, escapes, s[i]
}

// quotedValue returns the inside of the quoted value at s[v] and where to go on
// behind it; next is 0 when there is no quote. The quote may be escaped, in
// JSON inside of JSON, any number of times. A value whose end was cut off ends
// with its line.
func quotedValue(s string, v int) (start, end, next int) {
	start, escapes, quote := openQuote(s, v)
	if start == 0 {
		return 0, 0, 0
	}
	limit := start + maxQuoted
	if escapes > 3 {
		limit = start + maxEscaped
	}
	limit = min(limit, len(s))
	for limit < len(s) && !utf8.RuneStart(s[limit]) {
		limit--
	}
	back := 0 // backslashes directly before s[j]
	for j := start; j < limit; j++ {
		switch c := s[j]; {
		case c == '\\':
			back++
			continue
		case c == '\n':
			return start, trimEnd(s, start, j), j
		case c == quote && closes(s, j, escapes, back):
			if escapes > 0 {
				return start, j - back, j + 1
			}
			return start, j, j + 1
		}
		back = 0
	}
	return start, limit, limit
}

// closes reports whether the quote at s[j], with so many backslashes before
// it, ends a value that was opened by a quote with so many escapes.
func closes(s string, j, escapes, back int) bool {
	if escapes == 0 && back%2 == 1 || escapes > 0 && back > escapes {
		return false
	}
	// 'it's' goes on: what follows a value is a sign or nothing.
	return j+1 == len(s) || !isAlnum(s[j+1])
}
