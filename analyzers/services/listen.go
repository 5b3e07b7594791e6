package services

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A listener is a port that a program says it listens on.
type listener struct {
	port     int
	loopback bool // on 127.0.0.1 or ::1
	unclear  bool // "localhost": many programs print that whatever they are bound to
	line     string
}

var (
	listenWord = regexp.MustCompile(`(?i)\b(listening|listen on|listens on|serving (on|at|http)|started (on|at)|running (on|at)|bound to|ready on|starting (\w+ )*server (on|at)|accepting connections)\b`)
	// hostPort takes host:port with an address for a host or none: the minutes of a time
	// of day and the port of some database by its name are not meant.
	hostPort = regexp.MustCompile(`(?:^|[\s"'=(/])(\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]*\]|localhost|\*)?:(\d{2,5})(?:\D|$)`)
	portWord = regexp.MustCompile(`(?i)\bport(?:\(s\)|s)?["']?[\s:=]+["']?(\d{2,5})\b`)
)

// listeners reads from a log which ports a program says it listens on. Of a line the
// first address after the word counts: what follows is often where it sends to.
func listeners(lines []string) []listener {
	var out []listener
	for _, line := range lines {
		at := listenWord.FindStringIndex(line)
		if at == nil {
			continue
		}
		l, ok := firstPort(line[at[1]:])
		if !ok {
			l, ok = firstPort(line[:at[0]])
		}
		if ok {
			l.line = line
			out = append(out, l)
		}
	}
	return out
}

func firstPort(text string) (listener, bool) {
	a, w := hostPort.FindStringSubmatchIndex(text), portWord.FindStringSubmatchIndex(text)
	switch {
	case a != nil && (w == nil || a[0] <= w[0]):
		m := hostPort.FindStringSubmatch(text)
		port, err := strconv.Atoi(m[2])
		host := strings.Trim(m[1], "[]")
		ip, ipErr := netip.ParseAddr(host)
		return listener{port: port, loopback: ipErr == nil && ip.IsLoopback(), unclear: host == "localhost"}, err == nil && port <= 65535
	case w != nil:
		port, err := strconv.Atoi(portWord.FindStringSubmatch(text)[1])
		return listener{port: port}, err == nil && port <= 65535
	}
	return listener{}, false
}

// serving are the containers of a pod that can listen: its containers and its native
// sidecars, as the EndpointSlice controller counts them.
func serving(spec *corev1.PodSpec) []corev1.Container {
	out := append([]corev1.Container(nil), spec.Containers...)
	for _, c := range spec.InitContainers {
		if cluster.IsSidecar(&c) {
			out = append(out, c)
		}
	}
	return out
}

// probePort is the port that a probe asks from outside of the container; 0 for none.
func probePort(c *corev1.Container, p *corev1.Probe) int {
	switch {
	case p == nil:
		return 0
	case p.HTTPGet != nil && p.HTTPGet.Host == "":
		return numbered(c, p.HTTPGet.Port.StrVal, p.HTTPGet.Port.IntValue())
	case p.TCPSocket != nil && p.TCPSocket.Host == "":
		return numbered(c, p.TCPSocket.Port.StrVal, p.TCPSocket.Port.IntValue())
	case p.GRPC != nil:
		return int(p.GRPC.Port)
	}
	return 0
}

// numbered resolves the name of a container's port.
func numbered(c *corev1.Container, name string, number int) int {
	for _, port := range c.Ports {
		if name != "" && port.Name == name {
			return int(port.ContainerPort)
		}
	}
	return number
}

func protocol(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP // the API's default
	}
	return p
}
