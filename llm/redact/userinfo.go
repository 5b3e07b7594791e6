package redact

import "strings"

// maxMisfit bounds the look for the '@' behind a password that should have been
// escaped.
const maxMisfit = 256

// url masks the password in scheme://user:password@host; s[i] is the ':'.
// Scheme, user, host, port and path stay: they say what was dialled (RFC 3986
// section 3.2.1).
func (sc *scanner) url(i int) int {
	s := sc.s
	p := i + len("://")
	if s[i+1] == '\\' {
		p = i + len(`:\/\/`)
	}
	// One look per URL: "a://b://c" is one.
	if p > sc.urlEnd {
		sc.urlEnd = p
		for sc.urlEnd < len(s) && !isSpace(s[sc.urlEnd]) && !isQuote(s[sc.urlEnd]) && s[sc.urlEnd] != '<' && s[sc.urlEnd] != '>' {
			sc.urlEnd++
		}
	}
	at, colon := -1, -1
	end := p
	for ; end < len(s); end++ {
		c := s[end]
		if c == '<' || c == '\\' || c == '&' {
			if next := placeholderAt(s, end); next > end {
				end = next - 1
				continue
			}
		}
		if c == '/' || c == '?' || c == '#' || c == '\\' || isSpace(c) || isQuote(c) || c == '<' || c == '>' {
			break
		}
		if c == ':' && colon < 0 {
			colon = end
		}
		if c == '@' {
			at = end
		}
	}
	if at < 0 {
		if at = misfit(s, colon, end); at < 0 {
			return p
		}
	}
	if colon < 0 || colon > at {
		if user := s[p:at]; isSecretUser(user) {
			sc.add(p, at, kindUserinfo)
		}
		return at + 1
	}
	if isSecretUser(s[p:colon]) {
		sc.add(p, colon, kindUserinfo)
	}
	if !harmless(s[colon+1 : at]) {
		sc.add(colon+1, at, kindUserinfo)
	}
	return at + 1
}

// misfit returns the '@' behind a password with an unescaped / ? or #, which
// ended the authority s[:end] too early, or -1. Programs fail on such a URL and
// print it.
func misfit(s string, colon, end int) int {
	if colon < 0 || colon+1 >= end || end == len(s) || isPort(s[colon+1:end]) {
		return -1
	}
	for j := end; j < len(s) && j-end < maxMisfit; j++ {
		c := s[j]
		if isSpace(c) || isQuote(c) || c == '<' || c == '>' {
			return -1
		}
		if c == '@' && j+1 < len(s) && isAlnum(s[j+1]) {
			host := spanOf(s, j+1, "-.")
			if h := j + 1 + host; h == len(s) || strings.IndexByte(":/?,\"' \n", s[h]) >= 0 {
				return j
			}
		}
	}
	return -1
}

// isSecretUser reports whether the user name of a URL is itself the secret, as in
// https://TOKEN@host and https://TOKEN:x-oauth-basic@host.
func isSecretUser(user string) bool {
	if len(user) < 16 {
		return false
	}
	sc := scanner{s: user}
	sc.scan()
	return len(sc.spans) > 0
}

// dsn masks the password of user:password@tcp(host)/db (Go's MySQL driver),
// user:password@/db, user:password@host:port and Oracle's thin:user/password@;
// s[i] is the '@'. Without a scheme an '@' is mostly something else
// (image:tag@sha256:…, User:bob@example.com), so what follows must be an
// address with a port or in brackets.
func (sc *scanner) dsn(i int) int {
	s := sc.s
	if !dialled(s[i+1:]) {
		return i + 1
	}
	start := i
	for start > 0 && i-start < maxMisfit && !isSpace(s[start-1]) && !isQuote(s[start-1]) {
		start--
	}
	if i-start >= maxMisfit {
		return i + 1
	}
	login := s[start:i]
	if j := strings.Index(login, "thin:"); j >= 0 {
		if k := strings.IndexByte(login[j+5:], '/'); k >= 0 {
			return max(i+1, sc.add(start+j+5+k+1, i, kindUserinfo))
		}
	}
	colon := indexOutside(login, ":")
	if colon < 0 || strings.HasPrefix(login[colon:], "://") || strings.HasPrefix(login[colon:], `:\/\/`) {
		return i + 1
	}
	if pass := login[colon+1:]; pass != "" && !harmless(pass) && !strings.Contains(pass, "://") {
		sc.add(start+colon+1, i, kindUserinfo)
	}
	return i + 1
}

// dialled reports whether an address begins at s: tcp(…), (…), /db, host:port.
func dialled(s string) bool {
	for _, p := range [...]string{"tcp(", "tcp4(", "tcp6(", "udp(", "unix(", "cloudsql(", "(", "//"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	if len(s) > 1 && s[0] == '/' {
		return isLower(s[1])
	}
	n := spanOf(s, 0, "-.")
	if n == 0 || n+1 >= len(s) || s[n] != ':' || strings.HasPrefix(s, "sha") {
		return false
	}
	digits := n + 1
	for digits < len(s) && isDigit(s[digits]) {
		digits++
	}
	return digits-n-1 >= 2 && digits-n-1 <= 5 && (digits == len(s) || !isAlnum(s[digits]))
}
