package crashes

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

type level int

const (
	none level = iota // the line does not say
	info              // and below
	warning
	failure
	fatal
)

// An entry is one line, taken apart.
type entry struct {
	text    string // without the kubelet's time stamp and colours, indentation kept
	level   level
	message string // without time and level; of a structured line message and error
	fields  map[string]string
}

var (
	// kubectl logs --timestamps puts the time in RFC 3339 and one space before each line.
	kubeletTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) `)
	colours     = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")
	// klog and glog: "F1123 06:18:37.211097       1 main.go:45] message".
	klogLine = regexp.MustCompile(`^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ [^ \]]+:\d+\] ?(.*)$`)
	// Redis marks the level with a sign: "1:M 23 Nov 2026 06:18:37.100 # message".
	redisLine = regexp.MustCompile(`^\d+:[A-Z] \d+ \w+ \d{4} [\d:.]+ ([.*#-]) (.*)$`)
	// logrus without a terminal's width: "FATA[0000] message".
	logrusLine = regexp.MustCompile(`^(TRAC|DEBU|INFO|WARN|ERRO|FATA|PANI)\[[^\]]*\] ?(.*)$`)
	// A level in upper case, set off from the text, near the front of the line.
	upperLevel = regexp.MustCompile(`(?:^|[\s\[(|<"/])(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|CRITICAL|ALERT|EMERG|FATAL|PANIC|ERR|CRIT|FTL|WRN|INF|DBG|LOG|HINT|DETAIL|Note|System|Warning)(?:[\])|>:/"-]+|\s|$)`)
	// A level in lower case counts only in brackets or before a colon.
	lowerLevel = regexp.MustCompile(`(?:\[(trace|debug|info|notice|warn|warning|error|err|crit|critical|alert|emerg|fatal|panic)\]|^(trace|debug|dbug|info|notice|warn|warning|fail|crit|critical):(?:\s|$))`)
	leadTime   = regexp.MustCompile(`^[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d)[T ]?[\d:.,]*(?:Z|[+-]\d\d:?\d\d| UTC)?[\])]?[\s,:|-]*`)
	pairs      = regexp.MustCompile(`([A-Za-z_@][\w.@-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)`)
)

// frontOfLine is how far into a line its level is looked for: time stamp, thread and
// process may stand before it.
const frontOfLine = 90

// maxLine is how much of a line is looked at: a program may print a megabyte in one.
const maxLine = 4000

var levels = map[string]level{
	"trace": info, "trac": info, "debug": info, "debu": info, "dbug": info, "dbg": info, "info": info, "inf": info, "information": info,
	"notice": info, "note": info, "system": info, "log": info, "hint": info, "detail": info, "verbose": info, "i": info, "d": info, "default": info,
	"warn": warning, "warning": warning, "wrn": warning, "w": warning,
	"error": failure, "err": failure, "erro": failure, "severe": failure, "fail": failure, "e": failure,
	"fatal": fatal, "fata": fatal, "ftl": fatal, "critical": fatal, "crit": fatal, "alert": fatal, "emerg": fatal, "emergency": fatal,
	"panic": fatal, "pani": fatal, "dpanic": fatal, "f": fatal, "c": fatal,
}

// parse takes one line apart. It knows JSON, logfmt, klog, and the layouts of the common
// loggers, which all put a level near the front.
func parse(line string) entry {
	line = line[:min(len(line), maxLine)]
	e := entry{text: colours.ReplaceAllString(kubeletTime.ReplaceAllString(line, ""), "")}
	e.text = strings.TrimRight(e.text, " \r\n")
	text := strings.TrimSpace(e.text)
	e.message = text
	switch {
	case text == "":
	case strings.HasPrefix(text, "{") && e.json(text):
	case e.logfmt(text):
	default:
		e.layout(text)
	}
	return e
}

// json reads a structured line. Numbers as levels are those of bunyan and pino.
func (e *entry) json(text string) bool {
	var raw map[string]any
	if json.Unmarshal([]byte(text), &raw) != nil {
		return false
	}
	e.fields = map[string]string{}
	for k, v := range raw {
		switch v := v.(type) {
		case string:
			e.fields[strings.ToLower(k)] = v
		case float64:
			e.fields[strings.ToLower(k)] = strconv.FormatFloat(v, 'f', -1, 64)
		case bool:
			e.fields[strings.ToLower(k)] = strconv.FormatBool(v)
		case map[string]any: // {"err":{"message":…}}, {"log":{"level":…}}
			for inner, w := range v {
				if w, ok := w.(string); ok {
					e.fields[strings.ToLower(k+"."+inner)] = w
				}
			}
		}
	}
	e.structured()
	return true
}

// logfmt reads key=value lines, known by their level.
func (e *entry) logfmt(text string) bool {
	if !strings.Contains(text, "level=") && !strings.Contains(text, "lvl=") && !strings.Contains(text, "severity=") {
		return false
	}
	fields := map[string]string{}
	for _, m := range pairs.FindAllStringSubmatch(text, -1) {
		v := m[2]
		if unquoted, err := strconv.Unquote(v); err == nil {
			v = unquoted
		}
		if _, have := fields[strings.ToLower(m[1])]; !have {
			fields[strings.ToLower(m[1])] = v
		}
	}
	e.fields = fields
	e.structured()
	if e.level == none { // "log_level=debug" among the words of a sentence
		e.fields = nil
		return false
	}
	return true
}

// structured fills level and message from the fields.
func (e *entry) structured() {
	for _, k := range []string{"level", "severity", "lvl", "log.level", "@l", "loglevel", "levelname", "@level", "s", "level_name", "severity_text"} {
		if v := e.fields[k]; v != "" {
			if e.level = levelNamed(v); e.level != none {
				break
			}
		}
	}
	if e.level == none && e.fields["@m"]+e.fields["@mt"] != "" {
		e.level = info // Serilog's compact format leaves out the level of information
	}
	message, cause := "", ""
	for _, k := range []string{"msg", "message", "@m", "@message", "event", "short_message", "text", "@mt", "log", "textpayload", "fields.message"} {
		if message = oneLine(e.fields[k]); message != "" {
			break
		}
	}
	for _, k := range []string{"err", "error", "exception", "panic", "err.message", "error.message", "exc_info", "@x", "attr.error", "reason", "stack_trace", "exception.message", "error.msg", "err.msg", "attr.error.errmsg", "cause"} {
		if cause = firstLine(e.fields[k]); cause != "" && cause != message {
			break
		}
	}
	switch {
	case cause == "" || strings.Contains(message, cause):
		e.message = message
	case message == "":
		e.message = cause
	default:
		e.message = strings.TrimRight(message, ":. ") + ": " + cause
	}
	// An access log, or a line whose message has another name: all of it.
	if e.message == "" && e.level >= warning {
		e.message = strings.TrimSpace(e.text)
	}
}

func levelNamed(v string) level {
	if n, err := strconv.Atoi(v); err == nil {
		switch {
		case n >= 60:
			return fatal
		case n >= 50:
			return failure
		case n >= 40:
			return warning
		case n >= 10:
			return info
		}
		return none
	}
	return levels[strings.ToLower(v)]
}

// layout finds the level of a line of text near its front and cuts off what stands
// before it.
func (e *entry) layout(text string) {
	if m := klogLine.FindStringSubmatch(text); m != nil {
		e.level, e.message = levelNamed(m[1]), m[2]
		return
	}
	if m := logrusLine.FindStringSubmatch(text); m != nil {
		e.level, e.message = levelNamed(m[1]), m[2]
		return
	}
	if m := redisLine.FindStringSubmatch(text); m != nil {
		if e.level, e.message = info, m[2]; m[1] == "#" {
			e.level = warning
		}
		return
	}
	front := text[:min(len(text), frontOfLine)]
	at := upperLevel.FindStringSubmatchIndex(front)
	if low := lowerLevel.FindStringSubmatchIndex(front); low != nil && (at == nil || low[0] < at[0]) {
		at = low
	}
	if at == nil || !levelPosition(front[:at[0]]) {
		e.message = strings.TrimLeft(leadTime.ReplaceAllString(text, ""), " \t")
		return
	}
	for g := 2; g+1 < len(at); g += 2 {
		if at[g] >= 0 {
			e.level = levelNamed(front[at[g]:at[g+1]])
		}
	}
	e.message = strings.TrimLeft(text[at[1]:], " \t:-|]")
	// zap's console layout ends with the fields as JSON.
	if i := strings.LastIndex(e.message, "\t{"); i >= 0 {
		inner := entry{text: e.message[i+1:]}
		if inner.json(e.message[i+1:]) && inner.message != "" {
			e.message = strings.ReplaceAll(e.message[:i], "\t", " ") + ": " + inner.message
		}
	}
}

// levelPosition reports whether what stands before a level is what loggers put there:
// time, host, process, thread, logger. A sentence is not.
func levelPosition(before string) bool {
	before = strings.TrimSpace(before)
	if before == "" {
		return true
	}
	words := strings.Fields(before)
	plainWords := 0
	for _, w := range words {
		if strings.IndexFunc(w, func(r rune) bool { return r < 'a' || r > 'z' }) < 0 {
			plainWords++
		}
	}
	return plainWords <= 2 && len(words) <= 9
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}

// firstLine is the first line of a field that may hold a whole stack.
func firstLine(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	if strings.HasPrefix(s, "Traceback (most recent call last)") { // the last line tells
		lines := strings.Split(s, "\n")
		return strings.TrimSpace(lines[len(lines)-1])
	}
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}
