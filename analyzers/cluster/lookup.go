package cluster

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// An Answer is what came of asking for the address of a name.
type Answer string

const (
	AnswerUnsaid Answer = ""          // the text does not say why it failed
	NoSuchName   Answer = "no name"   // NXDOMAIN: the server works, and the name is not there
	NoAnswer     Answer = "no answer" // the server was silent or not there
	LookupFailed Answer = "failed"    // SERVFAIL, or a server that was silent: EAI_AGAIN stands for both
)

// A Lookup is a name that could not be resolved.
type Lookup struct {
	Host   string
	Server string // address of the name server that was asked, where the text says so
	Answer Answer
}

// answers are the words of the common resolvers, in lower case; the first that occurs
// decides. Go: src/net/dnsclient_unix.go, net.go; glibc: sysdeps/posix/gai_strerror-strs.h;
// musl: src/network/gai_strerror.c; nslookup and dig: bin/dig/dighost.c of BIND 9.
var answers = []struct {
	answer Answer
	words  []string
}{
	{NoSuchName, []string{"no such host", "enotfound", "name or service not known", "name does not resolve", "nxdomain", "nodename nor servname", "no address associated with hostname", "non-existent domain"}},
	{NoAnswer, []string{"no servers could be reached", "communications error to ", "dns request timed out", "querya etimeout", "queryaaaa etimeout", "dnsnameresolvertimeoutexception"}},
	{LookupFailed, []string{"server misbehaving", "temporary failure in name resolution", "eai_again", "servfail", "try again"}},
}

// goLookup is how Go names the name, the server and what came of it.
var goLookup = regexp.MustCompile(`\blookup ([A-Za-z0-9][A-Za-z0-9_.-]*?)\.?(?: on \[?([0-9A-Fa-f.:]+?)\]?:53)?: (.+)`)

// FailedLookup finds in a program's words a name that could not be resolved.
func FailedLookup(text string) (Lookup, bool) {
	if m := goLookup.FindStringSubmatch(text); m != nil {
		l := Lookup{Host: strings.ToLower(m[1]), Server: m[2], Answer: LookupFailed}
		switch rest := strings.ToLower(m[3]); {
		case strings.Contains(rest, "no such host"):
			l.Answer = NoSuchName
		case strings.Contains(rest, "i/o timeout"), strings.Contains(rest, "connection refused"), strings.Contains(rest, "deadline exceeded"):
			l.Answer = NoAnswer
		}
		return l, true
	}
	to, how, ok := FailedConnection(text)
	if !ok || how != NameUnknown {
		return Lookup{}, false
	}
	lower := strings.ToLower(text)
	for _, x := range answers {
		if slices.ContainsFunc(x.words, func(w string) bool { return strings.Contains(lower, w) }) {
			return Lookup{Host: to.Host, Answer: x.answer}, true
		}
	}
	return Lookup{Host: to.Host}, true
}

// Unanswered reports whether the look-up tells of the name server rather than of the name.
func (l Lookup) Unanswered() bool { return l.Answer == NoAnswer || l.Answer == LookupFailed }

// Asked is what answers on the address that a pod asks for names: the DaemonSet of the
// cache on the nodes for an address that only means something there, otherwise the
// Service of the cluster's DNS.
func (s *Snapshot) Asked(server string) (Ref, bool) {
	if ip, err := netip.ParseAddr(server); err == nil && ip.IsLinkLocalUnicast() {
		for _, pod := range s.PodsWith("kube-system", map[string]string{"k8s-app": "node-local-dns"}) {
			return s.Root(pod), true
		}
		return Ref{}, false
	}
	if server != "" { // the cluster's, or one that somebody runs for a few programs
		svc := s.Dependency("", Address{Host: server}).Service
		if svc == nil {
			return Ref{}, false
		}
		return RefOf(svc), true
	}
	for _, svc := range s.NameServices() {
		return RefOf(svc), true
	}
	return Ref{}, false
}
