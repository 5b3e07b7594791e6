package redact

import "strings"

// maxPEM is well above an 8192-bit RSA key, with log prefixes on each line.
const maxPEM = 1 << 15

// base64 of "-----BEGIN" and "-----END", at the offset it has in kubeconfigs
// (client-key-data) and Secret manifests.
const base64PEM = "LS0tLS1CRUdJTi"

// pem masks a PEM block from its first dash to its last (RFC 7468), wherever
// its lines end: in a newline, a literal \n, or a space. Certificates are
// masked too: their base64 says nothing to a reader and costs a page.
func (sc *scanner) pem(i int) int {
	s := sc.s
	switch {
	case strings.HasPrefix(s[i:], "-----BEGIN "):
		return sc.pemBegin(i)
	case strings.HasPrefix(s[i:], "-----END "):
		// The begin was cut off, as the head of a log tail is.
		start := i
		for start > 0 && (isBase64Byte(s[start-1]) || isSpace(s[start-1]) || s[start-1] == '\\') {
			start--
		}
		if body := trim(s[start:i]); len(body) < 16 || !hasUpperAndLower(body) {
			return i
		}
		for start < i && isSpace(s[start]) {
			start++
		}
		// Words of a sentence before the block are base64, too: keep what
		// stands on the line of the first long run only.
		start = firstLongRun(s, start, i)
		return sc.add(start, labelEnd(s, i+len("-----END ")), kindPEM)
	}
	// A ruler of dashes.
	end := i
	for end < len(s) && s[end] == '-' {
		end++
	}
	if end-i > len("-----") && (strings.HasPrefix(s[end:], "BEGIN ") || strings.HasPrefix(s[end:], "END ")) {
		return sc.pem(end - len("-----"))
	}
	return end
}

func (sc *scanner) pemBegin(i int) int {
	s := sc.s
	body := labelEnd(s, i+len("-----BEGIN "))
	if !sc.noPEMEnd {
		limit := min(len(s), body+maxPEM)
		n := strings.Index(s[body:limit], "-----END ")
		if n < 0 && limit == len(s) {
			sc.noPEMEnd = true
		}
		if n >= 0 && !strings.Contains(s[body:body+n], "-----BEGIN ") {
			return sc.add(i, labelEnd(s, body+n+len("-----END ")), kindPEM)
		}
	}
	// The end was cut off: whatever looks like its body belongs to it. A body
	// has no words, but for the headers of an encrypted key.
	end := body
	for end < len(s) {
		j := end
		for j < len(s) && (isSpace(s[j]) || s[j] == '\\' && j+1 < len(s) && (s[j+1] == 'n' || s[j+1] == 'r')) {
			if s[j] == '\\' {
				j++
			}
			j++
		}
		n := 0
		for j+n < len(s) && isBase64Byte(s[j+n]) {
			n++
		}
		word := s[j : j+n]
		if rest := s[j+n:]; strings.HasPrefix(rest, "-Type: ") || strings.HasPrefix(rest, "-Info: ") {
			n = strings.IndexAny(s[j:], "\n\\")
			if n < 0 {
				n = len(s) - j
			}
		} else if n == 0 || n < 24 && (j+n < len(s) && !isSpace(s[j+n]) && s[j+n] != '\\' || isName(word) || wordy(word)) {
			break
		}
		end = j + n
	}
	return sc.add(i, end, kindPEM)
}

// labelEnd returns the end of the "RSA PRIVATE KEY-----" at s[i], or of what is
// left of it.
func labelEnd(s string, i int) int {
	for i < len(s) && (isUpper(s[i]) || isDigit(s[i]) || s[i] == ' ') {
		i++
	}
	for i < len(s) && s[i] == '-' {
		i++
	}
	return i
}

// firstLongRun returns where the first run of 16 base64 bytes in s[i:end]
// begins, or the last run.
func firstLongRun(s string, i, end int) int {
	run := i
	for j := i; j < end; j++ {
		if isBase64Byte(s[j]) {
			if j-run+1 >= 16 {
				return run
			}
			continue
		}
		run = j + 1
		// A literal \n is no part of the body.
		if s[j] == '\\' && j+1 < end && (s[j+1] == 'n' || s[j+1] == 'r') {
			j++
			run = j + 1
		}
	}
	return min(run, end)
}

func isBase64Byte(c byte) bool { return isAlnum(c) || c == '+' || c == '/' || c == '=' }
