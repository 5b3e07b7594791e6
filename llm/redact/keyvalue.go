package redact

import "strings"

// Bounds on looking back and ahead from a separator.
const (
	maxName = 80
	maxGap  = 32
)

// A field is a name and the separator behind it.
type field struct {
	name   string
	start  int  // of the name
	sep    int  // of the ':' or '='
	quoted bool // "name": so the value is JSON or nearly
	apart  bool // name = value
	class  nameClass
}

// keyValue masks the value behind the ':' or '=' at s[i] if the name in front
// of it says so. It returns where to go on.
func (sc *scanner) keyValue(i int) int {
	f, ok := sc.fieldAt(i)
	if !ok {
		return i + 1
	}
	s := sc.s
	v := i + 1
	if v < len(s) && (s[i] == '=' && s[v] == '>' || s[i] == ':' && s[v] == '=') {
		v++ // Ruby's =>, Go's :=
	} else if v < len(s) && s[v] == s[i] {
		return v + 1 // a comparison, or Type::member
	}
	if f.class.kind == kindAuthorization {
		return sc.authorization(f, v)
	}
	if end := sc.value(f, v); end > i {
		return end
	}
	return i + 1
}

// fieldAt reads the name in front of the separator at s[i]. It reports false if
// there is none or if the name promises no secret.
func (sc *scanner) fieldAt(i int) (field, bool) {
	s := sc.s
	f := field{sep: i}
	j := i
	if s[i] == '=' && j > 0 && strings.IndexByte("?+", s[j-1]) >= 0 {
		j-- // make's ?= and +=
	}
	for j > 0 && i-j < maxGap && (s[j-1] == ' ' || s[j-1] == '\t') {
		j--
		f.apart = true
	}
	if j > 0 && s[j-1] == ']' { // config["password"]
		j--
	}
	if j > 0 && isQuote(s[j-1]) {
		f.quoted = true
		for j--; j > 0 && s[j-1] == '\\'; {
			j--
		}
	}
	end := j
	for j > 0 && end-j < maxName && isNameByte(s[j-1]) {
		j--
	}
	f.start, f.name = j, s[j:end]
	if f.name == "" {
		return f, false
	}
	f.class = classify(f.name)
	if f.name == "sig" && j > 0 && (s[j-1] == '?' || s[j-1] == '&') {
		f.class.kind = kindAzure // of a shared access signature
	}
	if f.class.level == levelNone {
		f.class = sc.contextClass(f)
	}
	// "Get \"https://…/secrets/db-token\": EOF" has a path for a name; an
	// annotation such as example.com/api-token has the same form.
	if j > 0 && s[j-1] == '/' {
		f.class.level = min(f.class.level, levelFaint)
	}
	// registry/auth:1.2.3 is an image, arn:aws:…:secret:db a resource name.
	if !f.quoted && j > 0 && s[i] == ':' && i+1 < len(s) && !isSpace(s[i+1]) && (s[j-1] == '/' || s[j-1] == ':') {
		return f, false
	}
	return f, f.class.level != levelNone
}

func isNameByte(c byte) bool { return isAlnum(c) || c == '_' || c == '-' || c == '.' }

// contextClass looks beyond a name that by itself says nothing. The data of a
// Secret is masked on the way: no single value is its.
func (sc *scanner) contextClass(f field) nameClass {
	s := sc.s
	switch {
	case equalFold(f.name, "value"):
		return classify(sc.pairName(f.start))
	case equalFold(f.name, "data") || equalFold(f.name, "stringdata"):
		sc.secretManifest(f)
	case equalFold(f.name, "key"):
		// "Using API key: …", and ?key=… of a URL.
		if f.start > 0 && (s[f.start-1] == '?' || s[f.start-1] == '&') {
			return nameClass{level: levelFaint, kind: kindPassword}
		}
		from := f.start
		for from > 0 && f.start-from < maxGap && (isAlpha(s[from-1]) || s[from-1] == ' ' && from == f.start) {
			from--
		}
		if from == f.start || s[f.start-1] != ' ' {
			return nameClass{}
		}
		if c := classify(s[from : f.start+len(f.name)]); c.level != levelNone {
			// "references non-existent secret key: tls.key" is prose.
			return nameClass{level: levelFaint, kind: kindPassword}
		}
	}
	return nameClass{}
}

// pairName returns the name that goes with a field called "value" starting at
// s[i]: {"name":"DB_PASSWORD","value":…}, the YAML of the same, and
// <name>…</name><value>. Lists of environment variables are written so.
func (sc *scanner) pairName(i int) string {
	const gap = 48
	s := sc.s
	j := i
	for j > 0 && i-j < gap && strings.IndexByte(" \t\r\n\"'\\,<{-", s[j-1]) >= 0 {
		j--
		// A line break may itself be escaped, in YAML inside of JSON.
		if j > 1 && s[j-1] == 'n' && s[j-2] == '\\' {
			j -= 2
		}
	}
	if j > 0 && s[j-1] == '>' {
		j = len(strings.TrimSuffix(s[:j], "</name>"))
	}
	end := j
	for j > 0 && end-j < maxName && isNameByte(s[j-1]) {
		j--
	}
	name := s[j:end]
	if strings.HasSuffix(s[max(0, j-6):j], "<name>") {
		return name
	}
	for j > 0 && strings.IndexByte(" \"'\\", s[j-1]) >= 0 {
		j--
	}
	if j == 0 || s[j-1] != ':' && s[j-1] != '=' {
		return ""
	}
	for j--; j > 0 && strings.IndexByte(" \"'\\", s[j-1]) >= 0; {
		j--
	}
	if before := s[max(0, j-4):j]; hasSuffixFold(before, "name") || hasSuffixFold(before, "key") {
		return name
	}
	return ""
}

func hasSuffixFold(s, word string) bool {
	return len(s) >= len(word) && equalFold(s[len(s)-len(word):], word)
}

// value masks the value of f, which begins at or behind s[v]. It returns where
// it ends, or 0 when it stays.
func (sc *scanner) value(f field, v int) int {
	s := sc.s
	gap := 0
	for v < len(s) && gap < maxGap && (s[v] == ' ' || s[v] == '\t') {
		v++
		gap++
	}
	if v == len(s) || s[v] == '\n' || s[v] == '\r' {
		return 0
	}
	if gap > 0 && s[f.sep] == '=' && !f.apart && !f.quoted {
		return 0 // "password= user=bob": the value is empty
	}
	if end := sc.blockScalar(f, v); end > 0 {
		return end
	}
	if s[v] == '[' {
		return sc.list(f, v+1, gap)
	}
	if start, end, next := sc.quotedValue(v); next > 0 {
		if !f.masks(s[start:end]) {
			return 0
		}
		sc.add(start, end, f.kindOf(s[start:end]))
		return next
	}
	if s[v] == '{' && !strings.HasPrefix(s[v:], "{{") || s[v] == '<' && strings.HasPrefix(s[v:], "</") {
		return 0
	}
	return sc.bare(f, v, gap)
}

// masks reports whether a quoted value is a secret.
func (f field) masks(v string) bool {
	if f.class.object && isObjectName(v) {
		return false
	}
	return f.class.hides(v) || f.dockerAuth(v)
}

// dockerAuth reports whether v is the "auth" of a registry: base64 of
// user:password.
func (f field) dockerAuth(v string) bool {
	return f.class.method && equalFold(f.name, "auth") && isBasic(v)
}

func (f field) kindOf(v string) kind {
	switch {
	case f.dockerAuth(v):
		return kindDockerConfig
	case equalFold(f.name, "private_key") && strings.HasPrefix(v, "-----BEGIN"):
		return kindGCP // as in a service account's JSON
	}
	return f.class.kind
}

// isObjectName reports whether v is the name of a Kubernetes Secret, with or
// without its namespace. A single word may as well be the secret itself.
func isObjectName(v string) bool {
	if ns, name, ok := strings.Cut(v, "/"); ok {
		return isName(ns) && isName(name)
	}
	return strings.IndexByte(v, '-') > 0 && isName(v)
}

// list masks the elements of a list: ["a","b"], the [a, b] of YAML, the [a b] of
// a printed http.Header. s[v] is the first byte behind the bracket.
func (sc *scanner) list(f field, v, gap int) int {
	s := sc.s
	masked := 0
	// A list whose first elements are no secrets has none.
	for n := 0; n < 8 || masked > 0; n++ {
		first := v
		for v < len(s) && (isSpace(s[v]) || s[v] == ',') {
			v++
		}
		if v == len(s) || s[v] == ']' || s[v] == '{' {
			break
		}
		start, end, next := sc.quotedValue(v)
		if next == 0 {
			start, end = v, sc.bareEnd(v)
			next = end
			// What follows a line break may be anything, such as a name.
			if start == end || strings.Contains(s[first:v], "\n") || strings.HasSuffix(s[start:end], ":") {
				break
			}
			// cannot get "db-token": [timeout, EOF]
			if n == 0 && gap > 0 && (f.quoted || f.inProse(s)) && isSentence(s[start:end]) {
				break
			}
		}
		if f.masks(s[start:end]) {
			sc.add(start, end, f.kindOf(s[start:end]))
			masked = next
		}
		v = next
	}
	return masked
}

// element masks <password>x</password>, as the XML of Java applications has it;
// s[i] is the '>'.
func (sc *scanner) element(i int) int {
	s := sc.s
	j := i
	for j > 0 && i-j < maxName && isNameByte(s[j-1]) {
		j--
	}
	if j == i || j == 0 || s[j-1] != '<' || i+1 == len(s) {
		return i
	}
	f := field{name: s[j:i], start: j, sep: i, class: classify(s[j:i])}
	if equalFold(f.name, "value") {
		f.class = classify(sc.pairName(j))
	}
	n := strings.Index(s[i+1:min(len(s), i+1+1024)], "</")
	if f.class.level == levelNone || n < 0 || !f.masks(s[i+1:i+1+n]) {
		return i
	}
	return sc.add(i+1, i+1+n, f.kindOf(s[i+1:i+1+n]))
}
