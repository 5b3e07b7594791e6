package redact

import "strings"

// flag masks the value of a command-line flag that stands in text: s[run:i] is
// a run that begins with a dash. It returns where to go on, or i.
func (sc *scanner) flag(run, i int) int {
	s := sc.s
	name := strings.TrimLeft(s[run:i], "-")
	dashes := i - run - len(name)
	if name == "" || dashes > 2 {
		return i
	}
	if dashes == 1 {
		if end := sc.shortFlag(run); end > run {
			return end
		}
		if len(name) == 1 {
			return i
		}
	}
	c := classify(name)
	login := false
	if name == "user" || name == "proxy-user" {
		if t, ok := lastTool(s, run); ok && t.long {
			login, c = true, nameClass{level: levelSure, kind: kindPassword}
		}
	}
	if c.level < levelMaybe {
		return i
	}
	v := flagValue(s, i)
	if v == i || s[v] == '-' && v+1 < len(s) && (s[v+1] == '-' || isAlpha(s[v+1])) {
		return i
	}
	start, end, next := sc.quotedValue(v)
	if next == 0 {
		start, end = v, sc.bareEnd(v)
		next = end
	}
	if login {
		start += indexOutside(s[start:end], ":") + 1
	}
	word := s[start:end]
	if isProse(word) || !c.hides(word) || c.object && isObjectName(word) {
		return i
	}
	sc.add(start, end, c.kind)
	return next
}

// flagValue returns where the value of the flag ending at s[i] begins: behind
// spaces, in the next element of a JSON list, in the next item of a YAML list.
// It returns i if there is none, or if the flag has its value behind a '='.
func flagValue(s string, i int) int {
	j := i
	if j < len(s) && isQuote(s[j]) {
		j++
		if j < len(s) && s[j] == ',' {
			j++
		}
	}
	for j < len(s) && isSpace(s[j]) {
		if s[j] == '\n' {
			k := j + 1
			for k < len(s) && s[k] == ' ' {
				k++
			}
			if !strings.HasPrefix(s[k:], "- ") {
				return i
			}
			j = k + 1
		}
		j++
	}
	if j == i || j == len(s) {
		return i
	}
	return j
}

// A tool takes a password in a flag of one letter.
type tool struct {
	glued  byte // -pSECRET
	spaced byte // -p SECRET
	login  byte // -u user:SECRET, user%SECRET
	long   bool // --user user:SECRET
	sub    bool // only in its login subcommand
}

// tools are those met in containers, with their flags as their manuals have
// them. docker and helm take one only in the login subcommand: elsewhere -p is
// a port.
var tools = func() map[string]tool {
	m := make(map[string]tool)
	for _, row := range []struct {
		tool
		names string
	}{
		{tool{glued: 'p'}, `mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlbinlog mysqlsh
			mariadb mariadb-dump mariadb-admin xtrabackup`},
		{tool{glued: 'p', spaced: 'p'}, `sshpass mongo mongosh mongodump mongorestore mongoexport mongoimport cqlsh rabbitmqadmin`},
		{tool{spaced: 'a'}, `redis-cli valkey-cli redis-benchmark`},
		{tool{glued: 'u', spaced: 'u', login: 'u', long: true}, `curl`},
		{tool{glued: 'U', spaced: 'U', login: 'U'}, `smbclient`},
		{tool{long: true}, `etcdctl`},
		{tool{glued: 'w', spaced: 'w'}, `ldapsearch ldapmodify ldapadd ldapwhoami`},
		{tool{glued: 'P', spaced: 'P'}, `sqlcmd bcp`},
		{tool{glued: 'p', spaced: 'p', sub: true}, `docker podman nerdctl helm oras skopeo crane buildah az`},
	} {
		for _, name := range strings.Fields(row.names) {
			m[name] = row.tool
		}
	}
	return m
}()

// shortFlag masks the value of a flag of one letter at s[run], if a tool that
// takes it stands before it on the line. It returns run when it is none.
func (sc *scanner) shortFlag(run int) int {
	s := sc.s
	letter := s[run+1]
	if strings.IndexByte("pauUwP", letter) < 0 {
		return run
	}
	t, ok := lastTool(s, run)
	if !ok {
		return run
	}
	v := run + 2
	switch {
	case v < len(s) && !isSpace(s[v]) && t.glued == letter:
	case v < len(s) && s[v] == ' ' && t.spaced == letter:
		v++
	default:
		return run
	}
	start, end, next := sc.quotedValue(v)
	if next == 0 {
		start, end = v, sc.bareEnd(v)
		next = end
	}
	if t.login == letter {
		k := indexOutside(s[start:end], ":%")
		if k < 0 {
			return run
		}
		if start+k+1 == end && looksSecret(s[start:start+k]) {
			return sc.add(start, start+k, kindPassword) // KEY:, without a password
		}
		start += k + 1
	}
	if harmless(s[start:end]) {
		return run
	}
	sc.add(start, end, kindPassword)
	return next
}

// lastTool returns the last known tool called on the line before s[i].
func lastTool(s string, i int) (tool, bool) {
	const reach = 256
	line := s[max(0, i-reach):i]
	for k := len(line); k > 0; {
		k = strings.LastIndexByte(line[:k], '\n')
		if k >= 0 && !strings.HasSuffix(line[:k], `\`) { // not continued
			line = line[k+1:]
			break
		}
	}
	var found tool
	ok := false
	for from := 0; from < len(line); {
		to := from
		for to < len(line) && isNameByte(line[to]) {
			to++
		}
		if t, known := tools[line[from:to]]; known && (!t.sub || strings.Contains(line[to:], "login")) {
			found, ok = t, true
		}
		from = to + 1
	}
	return found, ok
}
