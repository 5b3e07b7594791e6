package redact

import "strings"

// secretManifest masks the values below data or stringData of a Secret; f is
// that field. The manifest may be JSON, as kubectl leaves it in the
// last-applied-configuration annotation, or YAML. A text with a Secret and a
// ConfigMap has the ConfigMap's data masked as well: which is which is not worth
// a parser here.
func (sc *scanner) secretManifest(f field) {
	if f.start < sc.manifestEnd || !sc.holdsSecret() {
		return
	}
	s := sc.s
	v := f.sep + 1
	for v < len(s) && (s[v] == ' ' || s[v] == '\t') {
		v++
	}
	if v == len(s) {
		return
	}
	switch s[v] {
	case '{':
		sc.manifestEnd = sc.jsonValues(v + 1)
	case '\n', '\r':
		sc.manifestEnd = sc.yamlValues(f, v)
	}
}

// holdsSecret reports whether the text has the manifest of a Secret in it. The
// answer is kept: it takes reading all of it.
func (sc *scanner) holdsSecret() bool {
	if sc.secretKind == 0 {
		sc.secretKind = -1
		for _, mark := range [...]string{`"kind":"Secret"`, `"kind": "Secret"`, `\"kind\":\"Secret\"`, "kind: Secret\n", "kind: Secret\r\n"} {
			if strings.Contains(sc.s, mark) || strings.HasSuffix(sc.s, strings.TrimRight(mark, "\r\n")) {
				sc.secretKind = 1
			}
		}
	}
	return sc.secretKind > 0
}

// jsonValues masks the string values up to the closing brace and returns where
// that is.
func (sc *scanner) jsonValues(i int) int {
	s := sc.s
	for i < len(s) && s[i] != '}' {
		if s[i] != ':' {
			// A name may have any byte in it: skip it as a whole.
			if _, _, next := sc.quotedValue(i); next > i {
				i = next
			} else {
				i++
			}
			continue
		}
		i++
		for i < len(s) && isSpace(s[i]) {
			i++
		}
		if start, end, next := sc.quotedValue(i); next > 0 {
			if !harmless(s[start:end]) {
				sc.add(start, end, kindSecretData)
			}
			i = next
		}
	}
	return i
}

// yamlValues masks what follows the names on the lines below f that are
// indented more than it, and returns where those end.
func (sc *scanner) yamlValues(f field, i int) int {
	s := sc.s
	indent := f.start - (strings.LastIndexByte(s[:f.start], '\n') + 1)
	for i < len(s) {
		i += strings.IndexByte(s[i:], '\n') + 1
		end := len(s)
		if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
			end = i + n
		}
		text := i
		for text < end && s[text] == ' ' {
			text++
		}
		if text < end && text-i <= indent {
			return i
		}
		// The rest of a block scalar has no name: all of the line is value.
		v := text
		if colon := strings.Index(s[text:end]+" ", ": "); colon >= 0 && spanOf(s, text, "-_.") == colon {
			v = text + colon + 1
		}
		for v < end && (isSpace(s[v]) || isQuote(s[v])) {
			v++
		}
		stop := trimEnd(s, v, end)
		if stop > v && isQuote(s[stop-1]) {
			stop--
		}
		if stop > v && s[v] != '|' && s[v] != '>' && !harmless(s[v:stop]) {
			sc.add(v, stop, kindSecretData)
		}
		i = end
		if end == len(s) {
			break
		}
	}
	return i
}
