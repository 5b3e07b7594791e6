package redact

import "strings"

const placeholderOpen = "<redacted:"

// The text may have been JSON- or HTML-encoded (Slack wants &lt;) since it was
// redacted. Its placeholders must still be known as such.
var placeholderBrackets = [...][2]string{
	{"<", ">"},
	{`\u003c`, `\u003e`},
	{"&lt;", "&gt;"},
}

// placeholderAt returns the end of the placeholder starting at s[i], or i when
// there is none. Kind and number are checked, so that a secret cannot hide
// between the brackets.
func placeholderAt(s string, i int) int {
	if c := s[i]; c != '<' && c != '\\' && c != '&' {
		return i
	}
	for _, b := range placeholderBrackets {
		rest, ok := strings.CutPrefix(s[i:], b[0])
		if !ok {
			continue
		}
		if rest, ok = strings.CutPrefix(rest, placeholderOpen[1:]); !ok {
			return i
		}
		hash := strings.IndexByte(rest[:min(len(rest), 16)], '#')
		if hash < 0 || !isKindName(rest[:hash]) {
			return i
		}
		rest = rest[hash+1:]
		digits := 0
		for digits < len(rest) && digits < 10 && isDigit(rest[digits]) {
			digits++
		}
		if digits == 0 || !strings.HasPrefix(rest[digits:], b[1]) {
			return i
		}
		return len(s) - len(rest) + digits + len(b[1])
	}
	return i
}

func isKindName(name string) bool {
	for _, k := range kindNames {
		if k == name {
			return true
		}
	}
	return false
}

// maxPlaceholder is the length of the longest placeholder, its brackets
// escaped.
const maxPlaceholder = 48

// coveredBy returns the placeholder that s[i] is inside of, or i, i.
func coveredBy(s string, i int) (start, end int) {
	for j := i - 1; j >= 0 && i-j < maxPlaceholder; j-- {
		if e := placeholderAt(s, j); e > i {
			return j, e
		}
	}
	return i, i
}

// indexOutside is strings.IndexAny, but for what is inside of placeholders.
func indexOutside(s, chars string) int {
	for i := 0; i < len(s); i++ {
		if end := placeholderAt(s, i); end > i {
			i = end - 1
		} else if strings.IndexByte(chars, s[i]) >= 0 {
			return i
		}
	}
	return -1
}

// nothingLeft reports whether v holds at least one placeholder and besides
// placeholders no letter or digit: there is no secret left in it to mask.
func nothingLeft(v string) bool {
	found := false
	for i := 0; i < len(v); {
		if end := placeholderAt(v, i); end > i {
			i, found = end, true
			continue
		}
		if isAlnum(v[i]) || v[i] >= 0x80 {
			return false
		}
		i++
	}
	return found
}
