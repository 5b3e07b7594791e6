package redact

import "strings"

// startsLine reports whether f is the first thing on its line, as in YAML.
func (f field) startsLine(s string) bool {
	i := f.start
	for i > 0 && (s[i-1] == ' ' || s[i-1] == '\t' || s[i-1] == '-') {
		i--
	}
	return i == 0 || s[i-1] == '\n' || strings.HasSuffix(s[:i], `\n`)
}

// lineEnd returns the end of a YAML value whose first word ends at s[end]: that
// of the line, without a comment, and before another field.
func lineEnd(s string, end int) int {
	last := end
	for j := end; j < len(s); {
		if s[j] != ' ' && s[j] != '\t' {
			break
		}
		for j < len(s) && (s[j] == ' ' || s[j] == '\t') {
			j++
		}
		if j == len(s) || s[j] == '#' || isSpace(s[j]) {
			break
		}
		if isNameByte(s[j]) && endsValue(s, j) && !isSpace(s[j]) {
			break
		}
		last = bareEnd(s, j)
		if last == j {
			break
		}
		j = last
	}
	return last
}

// blockScalar masks the indented lines below "password: |". It returns where
// they end, or 0 when s[v] begins no such value.
func (sc *scanner) blockScalar(f field, v int) int {
	s := sc.s
	if s[v] != '|' && s[v] != '>' || f.class.level < levelMaybe {
		return 0
	}
	i := v + 1
	for i < len(s) && strings.IndexByte("+-0123456789 \t\r", s[i]) >= 0 {
		i++
	}
	if i == len(s) || s[i] != '\n' {
		return 0
	}
	line := strings.LastIndexByte(s[:f.start], '\n') + 1
	indent := f.start - line
	start, end := 0, 0
	for i < len(s) {
		next := strings.IndexByte(s[i+1:], '\n')
		stop := len(s)
		if next >= 0 {
			stop = i + 1 + next
		}
		text := i + 1
		for text < stop && s[text] == ' ' {
			text++
		}
		if text < stop && text-i-1 <= indent {
			break
		}
		if text < stop {
			if start == 0 {
				start = text
			}
			end = trimEnd(s, start, stop)
		}
		i = stop
	}
	if start == 0 {
		return 0
	}
	sc.add(start, end, f.class.kind)
	return end
}
