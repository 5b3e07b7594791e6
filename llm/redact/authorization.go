package redact

import (
	"encoding/base64"
	"strings"
)

// authSchemes are those of the IANA HTTP authentication scheme registry, and
// what vendors use in their place.
var authSchemes = set(`basic bearer digest negotiate ntlm token apikey api-key key hoba mutual scram-sha-256 oauth
	aws4-hmac-sha256 sharedkey sharedaccesssignature splunk bot snowflake dpop hawk signature`)

// authorization masks the credentials of a header; s[v] follows the separator.
// The scheme stays: that the wrong one was sent is a cause worth seeing.
func (sc *scanner) authorization(f field, v int) int {
	s := sc.s
	for v < len(s) && (s[v] == ' ' || s[v] == '\t' || s[v] == '[') {
		v++
	}
	start, end, next := sc.quotedValue(v)
	quoted := next > 0
	if !quoted {
		start, end = v, sc.bareEnd(v)
		next = end
	}
	if start == end {
		return f.sep + 1
	}
	cred := credentials(s[start:])
	switch {
	case cred > 0 && !quoted:
		end = bareEnd(s, start+cred)
		if manyParts(s[start : start+cred]) {
			end = f.headerEnd(s, start)
		}
		next = end
	case cred == 0 && !looksSecret(s[start:end]):
		// "authorization: denied by policy"
		return f.sep + 1
	}
	start = min(start+cred, end)
	if v := s[start:end]; harmless(v) || cred == 0 && isProse(v) {
		return f.sep + 1
	}
	return max(f.sep+1, sc.add(start, end, kindAuthorization), next)
}

// headerEnd returns where a header ends whose value has spaces and quotes in
// it: with the quote it stands in, or the line.
func (f field) headerEnd(s string, i int) int {
	if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
		s = s[:i+n]
	}
	if f.start > 0 && isQuote(s[f.start-1]) {
		if n := strings.IndexByte(s[i:], s[f.start-1]); n >= 0 {
			return i + n
		}
	}
	return trimEnd(s, i, len(s))
}

// header masks the value of an Authorization header.
func (r *Redactor) header(value string) string {
	cred := credentials(value)
	if cred >= len(value) {
		return value
	}
	return value[:cred] + r.whole(value[cred:], kindAuthorization)
}

// credentials returns the length of the scheme in front of the credentials,
// spaces included, or 0 if there is no known one.
func credentials(s string) int {
	n := spanOf(s, 0, "-")
	var buf [24]byte
	if n == 0 || n >= len(s) || s[n] != ' ' || !authSchemes[string(lower(buf[:], s[:n]))] {
		return 0
	}
	for n < len(s) && s[n] == ' ' {
		n++
	}
	return n
}

// manyParts reports whether the credentials of a scheme are a list.
func manyParts(scheme string) bool {
	return hasPrefixFold(scheme, "digest") || hasPrefixFold(scheme, "aws4") || hasPrefixFold(scheme, "oauth") || hasPrefixFold(scheme, "signature") || hasPrefixFold(scheme, "hawk")
}

// word looks at a space, for the few words that announce a secret without a
// separator: "bearer x", "Basic dXNlcjpwYXNz", and redis.conf's requirepass.
func (sc *scanner) word(i int) int {
	s := sc.s
	if i < 5 {
		return i
	}
	// The last two letters tell most other words apart.
	switch c, d := s[i-2]|0x20, s[i-1]|0x20; {
	case c == 'e' && d == 'r' && endsInWord(s[:i], "bearer"):
		if end := sc.bareEnd(i + 1); end-i > 8 && !isProse(s[i+1:end]) && looksSecret(s[i+1:end]) {
			return sc.add(i+1, end, kindAuthorization)
		}
	case c == 'i' && d == 'c' && endsInWord(s[:i], "basic"):
		if end := i + 1 + base64Len(s, i+1); isBasic(s[i+1 : end]) {
			return sc.add(i+1, end, kindAuthorization)
		}
	case c == 's' && d == 's' && endsInWord(s[:i], "requirepass"),
		c == 't' && d == 'h' && endsInWord(s[:i], "masterauth"):
		if end := sc.bareEnd(i + 1); !isProse(s[i+1:end]) && !harmless(s[i+1:end]) {
			return sc.add(i+1, end, kindPassword)
		}
	}
	return i
}

func endsInWord(s, word string) bool {
	n := len(s) - len(word)
	return n >= 0 && equalFold(s[n:], word) && (n == 0 || !isAlnum(s[n-1]))
}

// isBasic reports whether v is base64 of "user:password" (RFC 7617).
func isBasic(v string) bool {
	if len(v) < 6 || len(v) > 1024 {
		return false
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "="))
	if err != nil {
		return false
	}
	colon := false
	for _, c := range b {
		if c < 0x20 || c == 0x7f {
			return false
		}
		colon = colon || c == ':'
	}
	return colon
}

// sqlPassword masks the literal of WITH PASSWORD 'x' and IDENTIFIED BY 'x',
// which databases log with the failed statement; s[i] is the quote. Kubernetes
// writes "key 'password'" and "secret 'db'", never "password '…'".
func (sc *scanner) sqlPassword(i int) int {
	s := sc.s
	if i < 4 || s[i-1] != ' ' || !endsInWord(s[:i-1], "password") && !endsInWord(s[:i-1], "identified by") {
		return i
	}
	start, end, next := sc.quotedValue(i)
	if harmless(s[start:end]) {
		return i
	}
	sc.add(start, end, kindPassword)
	return next
}
