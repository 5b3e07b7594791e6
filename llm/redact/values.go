package redact

import "strings"

// trim is strings.TrimSpace for the ASCII white space that surrounds values.
func trim(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// harmless reports whether v cannot be a secret under any name: nothing at all,
// a yes or no, something masked already, or a reference resolved elsewhere.
func harmless(v string) bool {
	if v == "" || nothingLeft(v) || isMasked(v) || isReference(v) {
		return true
	}
	if n, ok := strings.CutSuffix(v, " bytes"); ok && isPort(n) {
		return true // kubectl describe secret
	}
	var buf [12]byte
	return statusWords[string(lower(buf[:], v))]
}

// statusWords stand where a secret would, to say how it is. "using password:
// YES" is MySQL's, <set to the key…> is kubectl's (see isReference).
var statusWords = set(`true false yes no on off null nil none undefined unset set empty missing required optional present absent
	provided redacted masked filtered hidden valid invalid expired revoked ok failed error unknown unauthorized forbidden denied n/a`)

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// isMasked reports whether v was masked by somebody else: ***, xxxxx (net/url),
// [REDACTED], ....
func isMasked(v string) bool {
	if v[0] == '[' && v[len(v)-1] == ']' {
		v = v[1 : len(v)-1]
		return v == "" || equalFold(v, "redacted") || equalFold(v, "filtered") || equalFold(v, "masked")
	}
	if v == "{}" || v == `""` || v == "''" {
		return true
	}
	if strings.IndexByte("*.xX-_", v[0]) < 0 {
		return strings.Trim(v, "•") == ""
	}
	return strings.Trim(v, v[:1]) == "" && (len(v) > 2 || v[0] == '*' || v[0] == '-')
}

// isReference reports whether v only says where the secret is.
func isReference(v string) bool {
	switch v[0] {
	case '$':
		if len(v) > 3 && (v[1] == '(' && v[len(v)-1] == ')' || v[1] == '{' && v[len(v)-1] == '}') {
			return isIdentifier(v[2 : len(v)-1])
		}
		return len(v) > 3 && isIdentifier(v[1:]) && strings.ToUpper(v) == v && !strings.ContainsAny(v, "0123456789")
	case '{':
		return strings.HasPrefix(v, "{{") && strings.HasSuffix(v, "}}")
	case '%':
		return len(v) == 2 || strings.HasPrefix(v, "%(") // %s, %(password)s
	case '<':
		// <password>, <nil>, <set to the key 'password' in secret 'db'>: words,
		// with nothing in them that a password generator would make.
		for i := 1; i < len(v); i++ {
			if v[i] == '>' {
				return i == len(v)-1
			}
			if !isAlpha(v[i]) && strings.IndexByte(" -_.'", v[i]) < 0 {
				return false
			}
		}
		return strings.HasPrefix(v, "<set to the key ")
	case 'a':
		return strings.HasPrefix(v, "arn:aws:")
	case 'v':
		return strings.HasPrefix(v, "vault:") // bank-vaults
	case 'r':
		return strings.HasPrefix(v, "ref+") // vals
	}
	return false
}

func isIdentifier(v string) bool {
	for i := 0; i < len(v); i++ {
		if !isAlnum(v[i]) && v[i] != '_' && v[i] != '.' {
			return false
		}
	}
	return v != "" && !isDigit(v[0])
}

// roots are where containers keep files. A password may begin with a slash; a
// path begins with one of these, or consists of words.
var roots = set(`app apps bin bitnami boot certs config conf credentials data dev docker-entrypoint-initdb.d etc home host keys
	kubernetes lib lib64 media mnt opt private proc root run sbin secret secrets srv sys tls tmp token tokens usr users var vault workspace`)

// isPath reports whether v is the path of a file that holds the secret.
func isPath(v string) bool {
	if strings.HasPrefix(v, "file:") || strings.HasPrefix(v, "~/") || strings.HasPrefix(v, "./") || strings.HasPrefix(v, "../") {
		return true
	}
	if v == "/" {
		return true
	}
	if len(v) < 2 || len(v) > maxPlain || v[0] != '/' || strings.ContainsAny(v, " \t\n") {
		return false
	}
	first, rest, more := strings.Cut(v[1:], "/")
	var buf [28]byte
	if roots[string(lower(buf[:], first))] {
		return true
	}
	for isName(first) {
		if !more {
			return true // PWD=/srv2/shop
		}
		first, rest, more = strings.Cut(rest, "/")
	}
	return false
}

// methodWords are ways to authenticate.
var methodWords = set(`basic digest ldap ldaps oidc oauth oauth2 saml jwt token tokens password passwd kerberos gssapi sasl plain simple
	scram scram-sha-1 scram-sha-256 scram-sha-512 md5 trust peer ident iam aws gcp azure kubernetes k8s approle userpass tls mtls ssl
	cert certs certificate x509 anonymous github gitlab google keycloak dex internal external local native default custom proxy
	header session cookie bearer key apikey api-key auto disabled enabled`)

func isMethod(v string) bool {
	var buf [20]byte
	return methodWords[string(lower(buf[:], v))]
}

// maxPlain is the length above which no value is taken for something else than
// a secret, or is read to its end to find out.
const maxPlain = 512

// structural reports whether v is plainly a setting of another sort: a number,
// a duration, an address, a path, a URL, a version, namespace/name.
func structural(v string) bool {
	if len(v) > maxPlain {
		return false
	}
	if isPath(v) || isMeasure(v) || isURL(v) {
		return true
	}
	if host, port, ok := strings.Cut(v, ":"); ok {
		return isName(host) && isPort(port)
	}
	if ns, name, ok := strings.Cut(v, "/"); ok {
		return isName(ns) && isName(name)
	}
	// A domain: auth.example.com, vault.svc.
	return strings.Count(v, ".") >= 2 && isName(v)
}

// isMeasure reports whether v is a number with or without a unit, a version or
// an IP address: at most two letters in a row, and those behind digits.
func isMeasure(v string) bool {
	if len(v) > 1 && (v[0] == 'v' || v[0] == '-' || v[0] == '+') {
		v = v[1:]
	}
	if !isDigit(v[0]) || len(v) > 40 {
		return false
	}
	letters, groups := 0, 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case isAlpha(c):
			if letters++; letters > 2 {
				return false
			}
			if letters == 1 {
				groups++
			}
		case isDigit(c) || c == '.' || c == ':' || c == '-' || c == '+' || c == '%':
			letters = 0
		default:
			return false
		}
	}
	return groups <= 3 && (groups == 0 || len(v) <= 12) && len(v) <= 20 || strings.Count(v, ".") >= 2
}

// isURL reports whether v is a URL. Its userinfo is another detector's business.
func isURL(v string) bool {
	scheme := spanOf(v, 0, "+-.")
	return scheme > 0 && scheme <= 16 && strings.HasPrefix(v[scheme:], "://") && !strings.ContainsAny(v, " \t\n")
}

func isPort(v string) bool {
	v, _, _ = strings.Cut(v, "/")
	if v == "" || len(v) > 5 {
		return false
	}
	for i := 0; i < len(v); i++ {
		if !isDigit(v[i]) {
			return false
		}
	}
	return true
}

// isName reports whether v could be the name of a Kubernetes object made by
// people: lower-case words between dashes and dots, and short numbers.
func isName(v string) bool {
	if v == "" || len(v) > 253 {
		return false
	}
	for start, i := 0, 0; i <= len(v); i++ {
		if i < len(v) && (isLower(v[i]) || isDigit(v[i])) {
			continue
		}
		if i < len(v) && v[i] != '-' && v[i] != '.' || i == start {
			return false
		}
		// Behind the first part, generated names have hashes: web-7d9f8c6b5-x2x9k.
		if part := v[start:i]; !isNamePart(part) && (start == 0 || len(part) > 10) {
			return false
		}
		start = i + 1
	}
	return true
}

// isNamePart reports whether part is a word or a word with a short number.
func isNamePart(part string) bool {
	letters := 0
	for letters < len(part) && isLower(part[letters]) {
		letters++
	}
	if letters == len(part) {
		return len(part) <= 5 || wordy(part)
	}
	return len(part)-letters <= 3 && len(part) <= 12 && (letters <= 3 || wordy(part[:letters]))
}

// looksSecret reports whether v alone looks like something a password generator
// or a careful person made, rather than like a word of a sentence.
func looksSecret(v string) bool {
	if len(v) < 6 || harmless(v) || structural(v) {
		return false
	}
	v = v[:min(len(v), maxPlain)]
	var upper, lowers, digits, signs int
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case isLower(c):
			lowers++
		case isUpper(c):
			upper++
		case isDigit(c):
			digits++
		case strings.IndexByte(" -_./:,;'\"()[]{}<>", c) < 0:
			signs++
		}
	}
	letters := lowers + upper
	switch {
	case letters == 0:
		return digits+signs >= 8
	case signs > 0 && digits > 0:
		return true
	case digits >= 2 && upper > 0 && lowers > 0:
		return true
	case digits > 0:
		// x509, oauth2, node-17 and DB_PASSWORD_2 are words with a number.
		return digits >= 3 && !isName(v) && !isConstant(v)
	case signs > 0:
		return len(v) >= 8 && isAlpha(v[len(v)-1])
	}
	return upper > 0 && lowers > 0 && len(v) >= 12 && !wordy(v)
}

// isConstant reports whether v is spelled like a constant or a variable of the
// environment.
func isConstant(v string) bool {
	for i := 0; i < len(v); i++ {
		if !isUpper(v[i]) && !isDigit(v[i]) && v[i] != '_' {
			return false
		}
	}
	return strings.IndexByte(v, '_') > 0 && wordy(v)
}
