package crashes

import (
	"strings"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// exception reads a stack of the JVM, .NET or JavaScript: a head, frames that begin with
// "at", and the exceptions below it. The deepest cause is the decisive line, or the
// deepest that names the other side if it is a connection that failed: the bottom of such
// a chain is a bare "java.net.ConnectException: Connection refused".
func exception(entries []entry, i int) (*candidate, int) {
	head := entries[i]
	c := &candidate{at: i, weight: deadly, kind: KindException, detail: trimHead(head.message)}
	if head.level != none { // the stack hangs below a log line
		if head.level <= warning && head.level != none {
			c.weight = warned
		}
		if head.level == failure {
			c.weight = errored
		}
	}
	type cause struct {
		at     int
		detail string
	}
	causes := []cause{{i, c.detail}}
	next, frames := i+1, false
	for next < len(entries) {
		e := entries[next]
		if e.level != none {
			break
		}
		text := strings.TrimSpace(e.text)
		switch {
		case stackFrame.MatchString(e.text):
			if frames = true; c.where == "" {
				c.where = ownFrame(strings.TrimSuffix(strings.TrimPrefix(text, "at "), " {"))
			}
		case strings.HasPrefix(text, "Caused by: "), strings.HasPrefix(text, "---> "), strings.HasPrefix(text, "[cause]: "):
			_, detail, _ := strings.Cut(text, " ")
			causes = append(causes, cause{next, trimHead(strings.TrimPrefix(strings.TrimPrefix(detail, "by: "), "> "))})
			frames = true
		case stackMore.MatchString(e.text):
		case frames && nodeTail.MatchString(e.text):
			if exceptHead.MatchString(text) { // of an AggregateError
				causes = append(causes, cause{next, trimHead(text)})
			}
		case !frames && framesSoon(entries, next-1) && len(c.detail) < 400: // a message of several lines
			causes[0].detail += " " + text
		case text == "" && next+1 < len(entries) && (stackMore.MatchString(entries[next+1].text) || stackFrame.MatchString(entries[next+1].text)):
		default:
			goto done
		}
		next++
	}
done:
	chosen := causes[len(causes)-1]
	if _, ok := cluster.OutageIn(chosen.detail); ok {
		for k := len(causes) - 1; k >= 0; k-- {
			if _, _, ok := cluster.FailedConnection(causes[k].detail); ok {
				chosen = causes[k]
				break
			}
		}
	}
	c.at, c.detail = chosen.at, chosen.detail
	if noise(c.detail) && len(causes) == 1 {
		return nil, next
	}
	out, next := finish(c, next)
	if out != nil && len(causes) > 1 {
		out.vague = false
	}
	return out, next
}

// trimHead takes away what the runtime puts before an exception's name.
func trimHead(message string) string {
	for _, p := range []string{"Uncaught ", "Unhandled exception. ", "Unhandled exception: ", "Unhandled Exception: "} {
		message = strings.TrimPrefix(message, p)
	}
	if rest, ok := strings.CutPrefix(message, "Exception in thread \""); ok {
		if _, after, ok := strings.Cut(rest, "\" "); ok {
			return after
		}
	}
	return message
}

// ownFrame is a frame of the program's own code, or "" for one of the runtime or of a
// well-known library.
func ownFrame(frame string) string {
	for _, p := range []string{"java.", "javax.", "jdk.", "sun.", "kotlin.", "kotlinx.", "scala.", "org.springframework.", "org.apache.", "com.zaxxer.", "org.hibernate.", "org.postgresql.", "com.mysql.", "io.netty.", "reactor.", "org.eclipse.", "org.flywaydb.", "System.", "Microsoft.", "Npgsql.", "node:", "internal/", "Module.", "Function.Module", "Object.Module", "new Promise", "process.", "async node:", "java.base/"} {
		if strings.HasPrefix(frame, p) {
			return ""
		}
	}
	if strings.Contains(frame, "node:") || strings.Contains(frame, "node_modules") || strings.Contains(frame, "(internal/") {
		return ""
	}
	return frame
}
