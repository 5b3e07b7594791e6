package redact

import "strings"

// A span is a secret found: s[start:end] is to be replaced.
type span struct {
	start, end int
	kind       kind
}

// A scanner reads s once, from left to right, and stops only at the few bytes
// that can announce a secret: separators, and the letters and signs in the
// prefixes that providers give their tokens. Everything a detector looks at is
// either consumed or bounded, so the time is linear in the length of s.
type scanner struct {
	s      string
	spans  []span
	urlEnd int // end of the last URL begun: before it, slashes separate no file path

	// What was looked for before is remembered, so that hostile text cannot
	// have it looked for at each of its bytes.
	noPEMEnd    bool // no "-----END" follows any more
	secretKind  int8 // 1: s holds a Secret manifest, -1: it does not, 0: not looked yet
	manifestEnd int  // end of the last block of data looked at
	wordEnd     int  // end of the last word looked at for a JWT
	bareFrom    int  // the last unquoted value looked at
	bareTo      int
	closings    [3][4]closing // by quote and number of backslashes
}

// Classes of bytes. Runs are what words, names, hashes and keys are made of.
const (
	classRun   = iota // part of a run, says nothing by itself
	classMark         // part of a run, and the mark of a provider prefix
	classBreak        // ends a run
)

var class = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		switch {
		case strings.IndexByte("-_AJ~", c) >= 0:
			t[i] = classMark
		case isAlnum(c), c == '+', c == '/', c == '%':
			t[i] = classRun
		default:
			t[i] = classBreak
		}
	}
	return t
}()

// minEntropyRun is the length below which a run says too little about itself.
const minEntropyRun = 20

func (sc *scanner) scan() {
	s := sc.s
	run := 0
	for i := 0; i < len(s); {
		c := class[s[i]]
		if c == classRun {
			i++
			continue
		}
		if c == classMark {
			if end := sc.mark(i); end > i {
				i, run = end, end
			} else {
				i++
			}
			continue
		}
		end := sc.endRun(run, i)
		if end == i {
			end = sc.separator(i)
		}
		i, run = end, end
	}
	sc.endRun(run, len(s))
}

// add notes a secret and returns its end. A placeholder is masked as a whole or
// not at all.
func (sc *scanner) add(start, end int, k kind) int {
	_, start = coveredBy(sc.s, start)
	end, _ = coveredBy(sc.s, end)
	if start < end && !nothingLeft(sc.s[start:end]) {
		sc.spans = append(sc.spans, span{start, end, k})
	}
	return end
}

// mark looks at a byte that belongs to a run but also to a provider's prefix.
// It returns where to go on, or i when nothing begins there.
func (sc *scanner) mark(i int) int {
	s := sc.s
	switch s[i] {
	case '-':
		if strings.HasPrefix(s[i:], "-----") {
			return sc.pem(i)
		}
		return sc.prefixed(i)
	case '_':
		return sc.prefixed(i)
	case 'A':
		return sc.capitalA(i)
	case 'J':
		return sc.jwt(i)
	case '~':
		return sc.entraSecret(i)
	}
	return i
}

// endRun looks at the finished run s[run:i]. It returns where to go on: i, or
// beyond it when the run and what follows was masked.
func (sc *scanner) endRun(run, i int) int {
	if i-run >= 2 && sc.s[run] == '-' {
		if end := sc.flag(run, i); end > i {
			return end
		}
	}
	if i-run >= minEntropyRun {
		return sc.entropy(run, i)
	}
	return i
}

// separator looks at a byte that ends runs. It returns where to go on, at
// least i+1.
func (sc *scanner) separator(i int) int {
	s := sc.s
	switch s[i] {
	case ':':
		if strings.HasPrefix(s[i:], "://") || strings.HasPrefix(s[i:], `:\/\/`) {
			return sc.url(i)
		}
		if end := sc.telegram(i); end > i {
			return end
		}
		return sc.keyValue(i)
	case '=':
		return sc.keyValue(i)
	case '@':
		return sc.dsn(i)
	case '.':
		return max(i+1, sc.prefixed(i), sc.webhook(i))
	case ' ':
		return max(i+1, sc.word(i))
	case '\'':
		return max(i+1, sc.sqlPassword(i))
	case '>':
		return max(i+1, sc.element(i))
	case '<', '\\', '&':
		return max(i+1, placeholderAt(s, i))
	}
	return i + 1
}

func isDigit(c byte) bool { return c-'0' <= 9 }
func isUpper(c byte) bool { return c-'A' <= 'Z'-'A' }
func isLower(c byte) bool { return c-'a' <= 'z'-'a' }
func isAlpha(c byte) bool { return isLower(c | 0x20) }
func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

// lower writes s into buf in lower case. It returns nil when s does not fit:
// the words looked up this way are short.
func lower(buf []byte, s string) []byte {
	if len(s) > len(buf) {
		return nil
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if isUpper(c) {
			c |= 0x20
		}
		buf[i] = c
	}
	return buf[:len(s)]
}

// equalFold reports whether s is the lower-case ASCII word.
func equalFold(s, word string) bool {
	return len(s) == len(word) && hasPrefixFold(s, word)
}

// hasPrefixFold reports whether s begins with the lower-case ASCII word.
func hasPrefixFold(s, word string) bool {
	if len(s) < len(word) {
		return false
	}
	for i := 0; i < len(word); i++ {
		c := s[i]
		if isUpper(c) {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
