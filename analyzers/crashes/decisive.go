package crashes

import (
	"slices"
	"strings"
)

// A Kind says what sort of line ended a process.
type Kind string

const (
	KindPanic         Kind = "panic"          // Go, Rust
	KindException     Kind = "exception"      // an uncaught one, of any language
	KindFatal         Kind = "fatal"          // the program says itself that it gives up
	KindDependency    Kind = "dependency"     // a connection failed
	KindPermission    Kind = "permission"     // the operating system denied access to a file or port
	KindPort          Kind = "port"           // the address to listen on is taken
	KindMemory        Kind = "memory"         // the program ran out of its own memory
	KindMissingConfig Kind = "missing-config" // a setting or file is not there
	KindExecFormat    Kind = "exec-format"    // the program is not one for this machine
	KindOpenFiles     Kind = "open-files"     // a limit on files, watches or processes
	KindError         Kind = "error"          // an error of no known sort
	KindUnknown       Kind = "unknown"        // no line tells; the last one stands for want of a better
)

// A Decision is the line of a log that tells why a process ended.
type Decision struct {
	Line  string // verbatim
	Index int    // of Line among the lines given
	Kind  Kind
	// Detail is what the line says, without time, level and quoting; of a structured
	// line the message and its error.
	Detail string
	// Where is the first frame of the program's own code, if there was a stack.
	Where string
}

const (
	maxLines = 100
	// before is how many lines above a line that only says "startup failed" the reason
	// for it is looked for.
	before = 25
)

// Decisive picks the line that tells why the process ended, out of the last lines of its
// log. Fatal lines count more than errors, errors more than warnings; of equals the last
// counts, unless it only says that something failed and a line before says what. Lines
// of level info, access logs, "0 errors" and the noise of a shutdown do not count. ok is
// false for a log without a line; Kind is Unknown when no line tells.
func Decisive(lines []string) (d Decision, ok bool) {
	first := max(0, len(lines)-maxLines)
	entries := make([]entry, 0, len(lines)-first)
	for _, line := range lines[first:] {
		entries = append(entries, parse(line))
	}
	all := candidates(entries)
	if best := choose(all, shutdown(entries, all)); best != nil {
		return Decision{Line: lines[first+best.at], Index: first + best.at, Kind: best.kind, Detail: best.detail, Where: best.where}, true
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if e := entries[i]; e.message != "" && !noise(e.message) && !e.stackLine() {
			return Decision{Line: lines[first+i], Index: first + i, Kind: KindUnknown, Detail: e.message}, true
		}
	}
	return Decision{}, false
}

// weight orders candidates.
type weight int

const (
	warned  weight = iota + 1 // a warning: counts only where nothing else does
	errored                   // an error
	deadly                    // what ends a process: a panic, an uncaught exception, level fatal
)

// A candidate is a line that may be the decisive one.
type candidate struct {
	at     int // index of the line
	last   int // index of the last line that belongs to it
	weight weight
	kind   Kind
	detail string
	where  string
	vague  bool // says that something failed and not what
}

// candidates goes through the log once: stacks are read as a whole, other lines one by one.
func candidates(entries []entry) []candidate {
	var out []candidate
	for i := 0; i < len(entries); {
		if c, next, ok := block(entries, i); ok {
			if c != nil {
				out = addBlock(out, entries, *c, i)
			}
			i = max(next, i+1)
			continue
		}
		if n := len(out); n > 0 && continues(entries, out[n-1], i) {
			if out[n-1].last = i; len(out[n-1].detail) < maxDetail {
				out[n-1].detail += " " + entries[i].message
			}
		} else if c, ok := single(entries, i); ok {
			out = append(out, c)
		}
		i++
	}
	return out
}

// maxDetail bounds how long a message of several lines is read.
const maxDetail = 400

// continues reports whether line i belongs to the message of the line before: indented,
// and without a level of its own.
func continues(entries []entry, c candidate, i int) bool {
	e := entries[i]
	return c.last == i-1 && !c.vague && e.level == none && e.message != "" && (e.text[0] == ' ' || e.text[0] == '\t')
}

// addBlock takes what a stack tells. A stack right below a log line of a known level was
// caught and logged: it weighs as that line does. A stack without a message of its own
// (debug.Stack) only says where the line above happened.
func addBlock(out []candidate, entries []entry, c candidate, head int) []candidate {
	n := len(out)
	logged := n > 0 && out[n-1].last == head-1 && entries[out[n-1].at].level != none
	if c.detail == "" {
		if logged && out[n-1].where == "" {
			out[n-1].where, out[n-1].last = c.where, c.last
		}
		return out
	}
	if logged && c.weight == deadly && !strings.HasPrefix(entries[head].message, "panic: ") {
		c.weight = out[n-1].weight
	}
	if head > 0 && entries[head-1].level == info && c.weight == deadly && c.kind == KindException {
		c.weight = warned // logged as information: the program went on
	}
	return append(out, c)
}

// single judges a line by itself.
func single(entries []entry, i int) (candidate, bool) {
	e := entries[i]
	if e.level == info || e.message == "" && e.level < failure || accessLog(e) || noise(e.message) {
		return candidate{}, false
	}
	message := strings.TrimPrefix(strings.TrimPrefix(e.message, "npm ERR! "), "npm error ")
	text := plain(message)
	c := candidate{at: i, last: i, kind: kindOf(message), detail: message, vague: vague(text), where: zapStack(e)}
	switch {
	case e.level == fatal || deadlyWords(text):
		c.weight = deadly
	case e.level == failure:
		c.weight = errored
	case e.level == warning:
		if c.kind == KindError || c.vague {
			return candidate{}, false
		}
		c.weight = warned
	case c.kind != KindError || saysError(text):
		c.weight = errored
	default:
		return candidate{}, false
	}
	if c.kind == KindError && c.weight == deadly {
		c.kind = KindFatal
	}
	if c.kind == KindError && panicked(e) {
		c.kind = KindPanic
	}
	// A failed flush of metrics or traces at the end ends nothing.
	if sideEffect(text) {
		c.weight = warned
	}
	if strings.HasSuffix(c.detail, ":") { // the next line goes on
		if i+1 < len(entries) && entries[i+1].level == none && entries[i+1].message != "" {
			c.detail += " " + entries[i+1].message
			c.vague = false
			if k := kindOf(c.detail); k != KindError {
				c.kind = k
			}
		}
	}
	return c, true
}

// zapStack is the place in the stack that zap puts into a field.
func zapStack(e entry) string {
	function, rest, _ := strings.Cut(e.fields["stacktrace"], "\n")
	file, _, _ := strings.Cut(rest, "\n")
	if m := goFile.FindStringSubmatch(file); m != nil && ownGo(function) {
		return function + " (" + lastPart(m[1]) + ":" + m[2] + ")"
	}
	return ""
}

// choose returns the decisive one, nil if there is none. What comes after end, the
// beginning of an orderly shutdown that an error led to, is its consequence.
func choose(all []candidate, end int) *candidate {
	var best *candidate
	for i := range all {
		c := &all[i]
		if end >= 0 && c.at > end && c.weight < deadly {
			continue
		}
		if best == nil || c.weight >= best.weight {
			best = c
		}
	}
	if best == nil || !best.vague {
		return best
	}
	var near *candidate
	for i := range slices.Backward(all) {
		c := &all[i]
		if c.at >= best.at || c.vague || best.at-c.last > before {
			continue
		}
		if near == nil || c.weight > near.weight {
			near = c
		}
	}
	if near != nil {
		return near
	}
	return best
}

// longShutdown is how many lines an orderly shutdown may write. "Stopping worker 3" in
// the middle of a long log is none.
const longShutdown = 30

// shutdown is the index of the line with which the program began to end in order after
// an error, or -1.
func shutdown(entries []entry, all []candidate) int {
	for i := max(0, len(entries)-longShutdown); i < len(entries); i++ {
		if !shuttingDown(entries[i]) {
			continue
		}
		for _, c := range all {
			if c.weight >= errored && !c.vague && c.at < i && i-c.last <= before {
				return i
			}
		}
	}
	return -1
}
