package crashes

import (
	"regexp"
	"strings"
)

var (
	goroutine   = regexp.MustCompile(`^goroutine \d+(?: gp=\S+ m=\S+(?: mp=\S+)?)? \[[^\]]*\]:$`)
	goFrame     = regexp.MustCompile(`^([\w./*()\[\]·%@~-]+(?:\.[\w·]+|\.\([^)]*\)[\w.·]*|\.func[\d.]+))\(.*\)$`)
	goFile      = regexp.MustCompile(`^\s+(\S+\.(?:go|s)):(\d+)(?: \+0x[0-9a-f]+)?(?: fp=.*)?$`)
	goRest      = regexp.MustCompile(`^(?:goroutine \d+|created by |\[signal |\tpanic: |panic: |panic\(|exit status \d|runtime stack:|r\w{1,2} +0x|[ef]flags +0x|[cdefgs]s +0x|runtime: |\[originating from|\.\.\.additional frames|\s*$)`)
	pyFrame     = regexp.MustCompile(`^\s+File "([^"]+)", line (\d+)(?:, in (.+))?$`)
	stackFrame  = regexp.MustCompile(`^\s+at (.+)$`)
	stackMore   = regexp.MustCompile(`^\s*(?:Caused by: |\.\.\. \d+ (?:more|common frames)|---> |--- End of |Suppressed: |\[cause\]: |\[errors\]: |\[Symbol|from previous event|Emitted 'error' event)`)
	nodeTail    = regexp.MustCompile(`^(?:\s+\w+: .*|\s*[\]}]+,?|\s*\w*Error: .*|\s*\{)$`)
	exceptHead  = regexp.MustCompile(`^(?:Uncaught |Unhandled exception[.:] |Exception in thread "[^"]*" |\[?UnhandledPromiseRejection\w*: |Fatal exception: )?(?:[A-Za-z_$][\w$]*[.:\\]+)*(?:[A-Z][\w$]*)?(?:Exception|Error|Throwable|Failure|Interrupt|Exit|Fault|NotFound|Refused)\w*(?: \[[A-Z_0-9]+\])?(?: \(0x[0-9A-Fa-f, x]+\))?(?::|$| )`)
	rubyHead    = regexp.MustCompile(`^(\S+:\d+):in [` + "`" + `'][^']*': (.+) \(([A-Z][\w:]*)\)$`)
	rubyFrame   = regexp.MustCompile(`^\s+(?:\d+: )?from \S+:\d+:in `)
	rustHead    = regexp.MustCompile(`^thread '.*'(?: \(\d+\))? panicked at (.+)$`)
	rustOld     = regexp.MustCompile(`^'(.*)', (\S+:\d+:\d+)$`)
	pythonChain = regexp.MustCompile(`^(?:During handling of the above exception|The above exception was the direct cause)`)
	pythonGroup = regexp.MustCompile(`^[ |+-]*[|+] ?`)
)

const traceback = "Traceback (most recent call last):"

// stackLine reports whether a line is part of a stack.
func (e entry) stackLine() bool {
	return goFile.MatchString(e.text) || goroutine.MatchString(e.text) || goFrame.MatchString(e.text) || stackFrame.MatchString(e.text) ||
		pyFrame.MatchString(e.text) || rubyFrame.MatchString(e.text)
}

// block reads the stack that begins at line i, if one does, and returns what it tells (nil
// for nothing) and the line after it.
func block(entries []entry, i int) (c *candidate, next int, ok bool) {
	e := entries[i]
	switch {
	case strings.HasPrefix(e.message, "panic: ") && e.level != info, strings.HasPrefix(e.message, "fatal error: ") && followed(entries, i, goroutine), goroutine.MatchString(e.text):
		c, next = goPanic(entries, i)
	case strings.TrimPrefix(strings.TrimLeft(e.message, "+| "), "Exception Group ") == traceback:
		c, next = python(entries, i)
	case rubyHead.MatchString(e.message):
		c, next = ruby(entries, i)
	case rustHead.MatchString(e.message):
		c, next = rust(entries, i)
	case strings.Contains(e.message, "APPLICATION FAILED TO START"):
		c, next = spring(entries, i)
	case strings.HasPrefix(e.message, "terminate called"):
		c, next = terminate(entries, i)
	case !stackFrame.MatchString(e.text) && (i+1 < len(entries) && (stackFrame.MatchString(entries[i+1].text) || stackMore.MatchString(entries[i+1].text)) || exceptHead.MatchString(e.message) && framesSoon(entries, i)):
		c, next = exception(entries, i)
	default:
		return nil, 0, false
	}
	return c, next, true
}

func followed(entries []entry, i int, re *regexp.Regexp) bool {
	for _, e := range entries[i+1 : min(len(entries), i+12)] {
		if re.MatchString(e.text) {
			return true
		}
	}
	return false
}

// framesSoon allows for a message of several lines between an exception's name and its
// first frame.
func framesSoon(entries []entry, i int) bool {
	for _, e := range entries[i+1 : min(len(entries), i+6)] {
		if e.level != none {
			return false
		}
		if stackFrame.MatchString(e.text) {
			return true
		}
	}
	return false
}

// goPanic reads from "panic: …" or "goroutine 1 [running]:" to the last frame.
func goPanic(entries []entry, i int) (*candidate, int) {
	c := &candidate{at: i, weight: deadly, kind: KindPanic}
	if !goroutine.MatchString(entries[i].text) {
		c.detail = strings.TrimSuffix(entries[i].message, " [recovered]")
		if k := kindOf(c.detail); k != KindError {
			c.kind = k
		}
	}
	next := i
	for next < len(entries) {
		e := entries[next]
		if next > i && (e.level != none || !goRest.MatchString(e.text) && !goFrame.MatchString(e.text) && !goFile.MatchString(e.text) && !strings.HasPrefix(e.text, "\t")) {
			break
		}
		if strings.HasPrefix(e.text, "panic(") {
			c.where = "" // what stands above is the handler that recovered
		}
		if c.where == "" && next+1 < len(entries) {
			if m := goFrame.FindStringSubmatch(e.text); m != nil && ownGo(m[1]) {
				c.where = m[1]
				if f := goFile.FindStringSubmatch(entries[next+1].text); f != nil {
					c.where += " (" + lastPart(f[1]) + ":" + f[2] + ")"
				}
			}
		}
		next++
	}
	c.last = next - 1
	return c, next
}

// ownGo reports whether a frame is the program's own: its package is main or has a domain
// in front, and is not of the standard library or a logger.
func ownGo(function string) bool {
	for _, logger := range []string{"k8s.io/klog", "go.uber.org/zap", "github.com/sirupsen/logrus", "github.com/rs/zerolog", "github.com/go-logr"} {
		if strings.HasPrefix(function, logger) {
			return false
		}
	}
	path := function
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		path = path[:i]
		first, _, _ := strings.Cut(path, "/")
		return strings.Contains(first, ".")
	}
	return strings.HasPrefix(function, "main.")
}

func lastPart(path string) string { return path[strings.LastIndexAny(path, "/\\")+1:] }

// python reads one traceback or a chain of them; the last exception is the one that
// nobody caught.
func python(entries []entry, i int) (*candidate, int) {
	c := &candidate{at: i, weight: deadly, kind: KindException}
	next, inFrames := i+1, true
	for next < len(entries) {
		e := entries[next]
		text := pythonGroup.ReplaceAllString(e.text, "")
		trimmed := strings.TrimSpace(text)
		grouped := text != e.text
		switch {
		case trimmed == "" || strings.Trim(trimmed, "-+ 0123456789") == "":
		case strings.HasSuffix(trimmed, traceback):
			inFrames = true
		case pythonChain.MatchString(trimmed):
		case inFrames && (strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")) && (!grouped || pyFrame.MatchString(text) || !exceptHead.MatchString(trimmed)):
			if m := pyFrame.FindStringSubmatch(text); m != nil && !strings.Contains(m[1], "site-packages") && !strings.Contains(m[1], "/lib/python") && !strings.HasPrefix(m[1], "<") {
				c.where = m[1] + ":" + m[2]
			}
		case inFrames && e.level == none || inFrames && exceptHead.MatchString(trimmed):
			inFrames = false
			c.at, c.detail = next, trimmed
			if e.level != none {
				c.detail = e.message
			}
		case e.level == none && c.detail != "" && (strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t") || strings.HasSuffix(c.detail, ":") || strings.Contains(c.detail, "validation error")):
			if len(c.detail) < 400 {
				c.detail += " " + trimmed
			}
		default:
			return finish(c, next)
		}
		next++
	}
	return finish(c, next)
}

// finish closes a block whose message is known.
func finish(c *candidate, next int) (*candidate, int) {
	c.last = next - 1
	if c.detail == "" {
		return nil, next
	}
	if k := kindOf(c.detail); k != KindError {
		c.kind = k
	}
	c.vague = vague(plain(c.detail))
	return c, next
}

func ruby(entries []entry, i int) (*candidate, int) {
	m := rubyHead.FindStringSubmatch(entries[i].message)
	c := &candidate{at: i, weight: deadly, kind: KindException, detail: m[2] + " (" + m[3] + ")", where: m[1]}
	next := i + 1
	for next < len(entries) && rubyFrame.MatchString(entries[next].text) {
		next++
	}
	return finish(c, next)
}

// rust reads a panic. Since 1.73 the message is on the line after the place.
func rust(entries []entry, i int) (*candidate, int) {
	rest := rustHead.FindStringSubmatch(entries[i].message)[1]
	c := &candidate{at: i, weight: deadly, kind: KindPanic}
	next := i + 1
	if m := rustOld.FindStringSubmatch(rest); m != nil {
		c.detail, c.where = m[1], m[2]
	} else if next < len(entries) && entries[next].message != "" {
		c.at, c.detail, c.where = next, entries[next].message, strings.TrimSuffix(rest, ":")
		next++
	} else {
		c.detail = rest
	}
	return finish(c, next)
}

// spring reads the report of a failure analyzer: the line after "Description:".
func spring(entries []entry, i int) (*candidate, int) {
	for j := i + 1; j < min(len(entries), i+6); j++ {
		if !strings.HasPrefix(entries[j].message, "Description:") {
			continue
		}
		for k := j + 1; k < min(len(entries), j+3); k++ {
			if entries[k].message != "" {
				return finish(&candidate{at: k, weight: deadly, kind: KindFatal, detail: entries[k].message}, k+1)
			}
		}
	}
	return nil, i + 1
}

// terminate reads the end of a C++ program: the exception's text is on the next line.
func terminate(entries []entry, i int) (*candidate, int) {
	if i+1 < len(entries) {
		if what, ok := strings.CutPrefix(entries[i+1].message, "what():"); ok {
			return finish(&candidate{at: i + 1, weight: deadly, kind: KindException, detail: strings.TrimSpace(what)}, i+2)
		}
	}
	return finish(&candidate{at: i, weight: deadly, kind: KindException, detail: entries[i].message}, i+1)
}
