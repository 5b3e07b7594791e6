package probes

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// A listener is an address that a program says it listens on.
type listener struct {
	port     int
	loopback bool
	line     string
}

var (
	listenWords = regexp.MustCompile(`(?i)\b(?:listen|listening|serving|running on|running at|started on|started at|start server|server (?:is )?(?:up|started|running|ready)|bound to|binding|accepting connections|ready on|available (?:at|on)|development server at|initialized with port|netty started)\b`)
	dialWords   = regexp.MustCompile(`(?i)\b(?:dial|connect(?:ing|ed)? to|refused|failed|error|cannot|in use|denied)\b`)
	boundTo     = regexp.MustCompile(`(?:^|[\s"'=/(\[@])((?:\d{1,3}\.){3}\d{1,3}|localhost|\*|\[[0-9a-fA-F:]*\]|::1?|)(?::)(\d{2,5})\b`)
	portWord    = regexp.MustCompile(`(?i)\bport(?:\(s\))?[ :=]+"?(\d{2,5})\b`)
)

// listeners are the addresses that the lines of a log say the program listens on.
func listeners(lines []string) []listener {
	var out []listener
	for _, line := range lines {
		if !listenWords.MatchString(line) || dialWords.MatchString(line) {
			continue
		}
		found := false
		for _, m := range boundTo.FindAllStringSubmatch(line, -1) {
			if n, err := strconv.Atoi(m[2]); err == nil && n > 0 && n < 65536 {
				out, found = append(out, listener{port: n, loopback: loopback(m[1]), line: line}), true
			}
		}
		if m := portWord.FindStringSubmatch(line); m != nil && !found {
			if n, err := strconv.Atoi(m[1]); err == nil && n < 65536 {
				out = append(out, listener{port: n, line: line})
			}
		}
	}
	return out
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// open reports whether one of the listeners takes connections from outside on a port.
func open(list []listener, port int) bool {
	for _, l := range list {
		if l.port == port && !l.loopback {
			return true
		}
	}
	return false
}

// closed returns the listener that takes connections on a port from the pod itself only.
func closed(list []listener, port int) (listener, bool) {
	if open(list, port) {
		return listener{}, false
	}
	for _, l := range list {
		if l.port == port && l.loopback {
			return l, true
		}
	}
	return listener{}, false
}
