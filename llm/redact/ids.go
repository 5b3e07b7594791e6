package redact

import (
	"bytes"
	"strings"
)

// Ids, digests and generated names look drawn by chance because they are. What
// tells them from keys is where they stand.

// inPath reports whether the part at s[start] is one of a file path.
func (sc *scanner) inPath(start int) bool {
	const reach = 256
	i := start
	for i > 0 && start-i < reach {
		i--
		switch c := sc.s[i]; {
		case c == '/':
			return true
		case class[c] == classBreak && c != '.' && c != '@':
			return false
		}
	}
	return false
}

// idWords tell ids and digests from keys when they stand a few words before a
// run of hex digits, as in: failed to setup network for sandbox "3a5f…".
var idWords = [...]string{"sandbox", "container", "cri-", "crio", "docker", "digest", "sha1", "sha256", "sha512", "md5", "image", "layer", "overlay",
	"checksum", "hash", "blob", "snapshot", "trace", "span", "request", "correlation", "machine", "boot", "etag", "commit", "revision", "task", "shim", "fingerprint", "serial"}

// isIdentified reports whether the hex digits at s[start] are said to be an id
// or a digest.
func (sc *scanner) isIdentified(start int) bool {
	const reach = 48
	before := sc.s[max(0, start-reach):start]
	if k := strings.LastIndexByte(before, '\n'); k >= 0 {
		before = before[k+1:]
	}
	// The name in front of it, unless that is secret_id.
	label := strings.TrimRight(before, "\"'`=: (\\")
	if len(label) < len(before) && hasSuffixFold(label, "id") {
		return !hasSuffixFold(strings.TrimRight(label[:len(label)-2], "_-"), "secret")
	}
	var buf [reach]byte
	ctx := lower(buf[:], before)
	for _, w := range [...]string{"key", "token", "passw", "secret"} {
		if bytes.Contains(ctx, []byte(w)) {
			return false
		}
	}
	for _, w := range idWords {
		if bytes.Contains(ctx, []byte(w)) {
			return true
		}
	}
	return false
}

// isNamed reports whether the run at s[start] belongs to something that is
// public by its form: a digest in base64, a host name, a certificate request
// of a kubelet.
func (sc *scanner) isNamed(start int) bool {
	s := sc.s
	before := s[max(0, start-8):start]
	for _, p := range [...]string{"sha256:", "SHA256:", "sha512:", "sha384:", "sha1:", "h1:", "MD5:"} {
		if strings.HasSuffix(before, p) {
			return true
		}
	}
	rest := s[start:]
	for _, p := range [...]string{"sha256-", "sha384-", "sha512-", "sha1-", "node-csr-"} {
		if strings.HasPrefix(rest, p) {
			return true
		}
	}
	return isHost(rest)
}

// isHost reports whether s begins with a label and a domain: load balancers
// and EKS endpoints have hashes for names.
func isHost(s string) bool {
	n := spanOf(s[:min(len(s), 64)], 0, "-")
	if n == 0 || n > 63 || n == len(s) || s[n] != '.' {
		return false
	}
	labels := 0
	for n < len(s) && s[n] == '.' {
		m := n + 1
		for m < len(s) && (isLower(s[m]) || isDigit(s[m]) || s[m] == '-') {
			m++
		}
		if m == n+1 || m < len(s) && (isUpper(s[m]) || s[m] == '_') {
			return false
		}
		labels, n = labels+1, m
	}
	return labels >= 2
}
