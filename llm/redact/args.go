package redact

import "strings"

// Args returns a command line with its secrets replaced, each argument one
// element. Pass command and arguments of a container together: what -p means
// depends on the program. It returns args itself when nothing changed, and
// never changes it.
func (r *Redactor) Args(args []string) []string {
	var out []string
	var line commandLine
	for i, arg := range args {
		masked := r.arg(&line, arg)
		if masked == arg {
			continue
		}
		if out == nil {
			out = append([]string(nil), args...)
		}
		out[i] = masked
	}
	if out == nil {
		return args
	}
	return out
}

// A commandLine is what the arguments read so far say about the next one.
type commandLine struct {
	flag    string // the flag whose value comes next, if it is a secret one
	login   bool   // that value is user:password
	program string // the last known tool
	sub     bool   // its login subcommand
}

func (r *Redactor) arg(line *commandLine, arg string) string {
	flag, login := line.flag, line.login
	line.flag, line.login = "", false
	if len(arg) > 1 && arg[0] == '-' && (arg[1] == '-' || isAlpha(arg[1])) {
		return r.option(line, arg)
	}
	switch {
	case login:
		return r.login(arg)
	case flag != "":
		return r.Value(flag, arg)
	}
	base := arg[strings.LastIndexByte(arg, '/')+1:]
	if _, known := tools[base]; known {
		line.program, line.sub = base, false
	} else if arg == "login" {
		line.sub = true
	}
	if name, value, ok := strings.Cut(arg, "="); ok && isOptionName(name) {
		return name + "=" + r.Value(name, value)
	}
	return r.Text(arg)
}

// option masks the value of a flag, or notes that the next argument is one.
func (r *Redactor) option(line *commandLine, arg string) string {
	if t, known := tools[line.program]; known && arg[1] != '-' && (line.sub || !t.sub) {
		switch {
		case len(arg) == 2 && arg[1] == t.spaced:
			line.flag, line.login = "password", arg[1] == t.login
			return arg
		case len(arg) > 2 && arg[1] == t.glued && arg[1] == t.login:
			return arg[:2] + r.login(arg[2:])
		case len(arg) > 2 && arg[1] == t.glued:
			return arg[:2] + r.Value("password", arg[2:])
		}
	}
	name, value, ok := strings.Cut(arg, "=")
	if ok && isOptionName(name) {
		if name == "--user" && tools[line.program].long {
			return name + "=" + r.login(value)
		}
		return name + "=" + r.Value(name, value)
	}
	switch {
	case arg == "--user" && tools[line.program].long, arg == "--proxy-user":
		line.flag, line.login = arg, true
	case arg == "-passin" || arg == "-passout":
		line.flag, line.login = arg, true // openssl: pass:SECRET
	case isOptionName(arg) && classify(arg).level > levelNone:
		line.flag = arg
	}
	return r.Text(arg)
}

// login masks the password of user:password.
func (r *Redactor) login(arg string) string {
	k := indexOutside(arg, ":%")
	if k == len(arg)-1 && k > 0 && looksSecret(arg[:k]) {
		return r.whole(arg[:k], kindPassword) + ":" // KEY:, without a password
	}
	if k < 0 || harmless(arg[k+1:]) || strings.HasPrefix(arg, "file:") || strings.HasPrefix(arg, "env:") {
		return r.Text(arg)
	}
	return arg[:k+1] + r.whole(arg[k+1:], kindPassword)
}

func isOptionName(name string) bool {
	for i := 0; i < len(name); i++ {
		if !isNameByte(name[i]) {
			return false
		}
	}
	return name != ""
}
