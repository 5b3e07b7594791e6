package redact

import "strings"

// bareEnd returns the end of the unquoted value at s[v]. Signs that may belong
// to a password end it only when what follows looks like the next field.
func bareEnd(s string, v int) int {
	open := 0 // brackets of $(VAR), map[a:b], f(x)
	for j := v; j < len(s); j++ {
		switch s[j] {
		case ' ', '\t', '\n', '\r':
			return j
		case '<', '&':
			if end := placeholderAt(s, j); end > j {
				j = end - 1
				continue
			}
			if s[j] == '<' && j+1 < len(s) && s[j+1] == '/' {
				return j
			}
			if s[j] == '&' && endsValue(s, j+1) {
				return j
			}
		case '\\':
			if end := placeholderAt(s, j); end > j {
				j = end - 1
			} else if j+1 < len(s) && strings.IndexByte("nrt\"'", s[j+1]) >= 0 {
				return j
			}
		case '(', '[', '{':
			open++
		case ')', ']', '}':
			if open > 0 {
				open--
			} else if endsValue(s, j+1) {
				return j
			}
		case '"', '\'', '`', ',', ';', '|':
			if endsValue(s, j+1) {
				return j
			}
		}
	}
	return len(s)
}

// endsValue reports whether s[i:] goes on with something that cannot be the
// rest of a value: nothing, space, another sign of structure, or a field.
func endsValue(s string, i int) bool {
	if i == len(s) || isSpace(s[i]) || strings.IndexByte("\"'`,;)]}&|\\>", s[i]) >= 0 {
		return true
	}
	j := i
	for j < len(s) && j-i < 40 && isNameByte(s[j]) {
		j++
	}
	return j > i && j < len(s) && (s[j] == '=' || s[j] == ':')
}

// bareEnd is the function of that name, remembering its last answer: where a
// value ends does not depend on where it begins.
func (sc *scanner) bareEnd(v int) int {
	if v < sc.bareFrom || v >= sc.bareTo {
		sc.bareFrom, sc.bareTo = v, bareEnd(sc.s, v)
	}
	return sc.bareTo
}

// bare masks the unquoted value at s[v], behind so many spaces. It returns
// where it ends, or 0 when it stays.
func (sc *scanner) bare(f field, v, gap int) int {
	s := sc.s
	end := sc.bareEnd(v)
	word := s[v:end]
	if word == "" || isTemplate(s, v) || isCall(word) || word[0] == '(' && gap > 0 {
		return 0
	}
	if s[f.sep] == ':' {
		if f.notValue(s, v, end, gap) {
			return 0
		}
		if gap > 0 && !f.quoted && f.startsLine(s) {
			end = lineEnd(s, end)
			word = s[v:end]
		}
	}
	if !f.masks(word) {
		return 0
	}
	return sc.add(v, end, f.kindOf(word))
}

// notValue reports whether what stands behind the name and colon of f, beginning
// with the word s[v:end], is rather the rest of a sentence or of a longer name.
func (f field) notValue(s string, v, end, gap int) bool {
	word := s[v:end]
	switch {
	case f.quoted:
		// secret "db-token": not found. JSON would quote the value.
		return gap > 0 && !isMeasure(word) && isSentence(word)
	case gap == 0:
		return glued(word, f.class.level)
	case isProse(word):
		return true
	case f.startsLine(s):
		// "PASS: TestServer (0.01s)" and "auth: no such user", but "auth: x".
		vague := f.class.method || equalFold(f.name, "pass") || equalFold(f.name, "pw")
		return vague && end < len(s) && s[end] != '\n' && !looksSecret(word)
	case f.class.method:
		return !looksSecret(word)
	}
	return f.class.level < levelSure && f.inProse(s) && isSentence(word)
}

func isTemplate(s string, v int) bool {
	return strings.HasPrefix(s[v:], "{{") || strings.HasPrefix(s[v:], "${{") || strings.HasPrefix(s[v:], "<set to the key ")
}

// isCall reports whether word is code, as the lines of a Python traceback are:
// os.environ["API_TOKEN"], getpass(). No digits: h4x(or is a password.
func isCall(word string) bool {
	n := strings.IndexAny(word[:min(len(word), 64)], "([")
	if n < 3 {
		return false
	}
	for i := 0; i < n; i++ {
		if !isAlpha(word[i]) && word[i] != '_' && word[i] != '.' {
			return false
		}
	}
	if n+1 < len(word) {
		if c := word[n+1]; !isQuote(c) && !isAlpha(c) && c != '_' && c != ')' {
			return false
		}
	}
	return wordy(word[:n])
}

// glued reports whether word, which follows a colon without a space, is rather
// a port, a tag or the rest of a name than a value: auth:8080, token:v1.2.
func glued(word string, l level) bool {
	if isPort(word) && len(word) >= 2 && l < levelSure || strings.Count(word, ".") >= 1 && isMeasure(word) {
		return true
	}
	return l < levelSure && !looksSecret(word)
}

// inProse reports whether f follows a word, as in "invalid token: …".
func (f field) inProse(s string) bool {
	i := f.start
	for i > 0 && s[i-1] == ' ' {
		i--
	}
	return i < f.start && i > 0 && (isAlnum(s[i-1]) || s[i-1] == ':' || s[i-1] == ')' || isQuote(s[i-1]))
}

func trimEnd(s string, start, end int) int {
	for end > start && isSpace(s[end-1]) {
		end--
	}
	return end
}
