package dns

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// serverKinds are what it takes to judge the DNS servers.
var serverKinds = []schema.GroupKind{cluster.Pods, cluster.Events, cluster.Services}

// ConfigError finds CoreDNS servers whose Corefile is wrong, or that may not read the API.
var ConfigError = &analyzers.Analyzer{
	Name: "dns/config-error",
	Doc: `CoreDNS servers that a wrong Corefile or a missing permission keeps from working

A wrong Corefile stops only those that start with it: the running ones go on with the one
before, and say so once. Then it is a risk, and reported only while the ConfigMap still
has the line.`,
	Needs: append(slices.Clone(serverKinds), cluster.ConfigMaps),
	Emits: []analyzers.Code{configError},
	Run: func(p *analyzers.Pass) error {
		for _, s := range servers(p) {
			if s.local {
				continue
			}
			if status, _, log, ok := s.crash(p); ok {
				if e, ok := startError(log); ok {
					e.container = status.Name
					e.report(p, s, s.severity(p), "CoreDNS does not start")
				}
				continue
			}
			if cluster.PodReady(s.pod) {
				reportReload(p, s)
			} else if stage, _ := p.Unready(s.pod); stage == cluster.Stuck {
				reportUnsynced(p, s)
			}
		}
		return nil
	},
}

// A fileError is what CoreDNS says of its Corefile.
type fileError struct {
	log       cluster.Log
	container string
	line      string // of the log
	number    int    // of the Corefile's line, 0 if not known
	text      string // what is wrong
}

// What CoreDNS writes when it ends at its start (github.com/coredns/caddy
// caddyfile/dispenser.go, Errf and SyntaxErr; github.com/coredns/coredns
// core/dnsserver/register.go, plugin/pkg/log): a place in the file, a block that is there
// twice, or a plugin's own words.
var (
	fileWords  = regexp.MustCompile(`^(?:plugin/[a-z0-9_]+: )?(?:\S*/)?(\S+):(\d+) - ((?:Error during parsing|Syntax error): .+)$`)
	twiceWords = regexp.MustCompile(`^cannot serve \S+ - it is already defined.*$`)
	setupWords = regexp.MustCompile(`^plugin/([a-z0-9_]+): (.+)$`)
	noFile     = regexp.MustCompile(`^(?:loading Caddyfile via flag: )?open (\S+): (no such file or directory|permission denied)$`)
	quoted     = regexp.MustCompile(`'([^']*)'`)
)

// startError reads the end of the log of a server that did not start.
func startError(log cluster.Log) (fileError, bool) {
	lines := log.Lines()
	lines = lines[max(0, len(lines)-10):]
	for _, line := range slices.Backward(lines) {
		if e, ok := parseFileError(line); ok {
			e.log = log
			return e, true
		}
		switch m := setupWords.FindStringSubmatch(line); {
		case m != nil:
			return fileError{log: log, line: line, text: "plugin " + m[1] + ": " + m[2]}, true
		case twiceWords.MatchString(line):
			return fileError{log: log, line: line, text: line}, true
		}
		if m := noFile.FindStringSubmatch(line); m != nil {
			return fileError{log: log, line: line, text: m[1] + ": " + m[2]}, true
		}
	}
	return fileError{}, false
}

// parseFileError reads a line that names a place in the Corefile.
func parseFileError(line string) (fileError, bool) {
	m := fileWords.FindStringSubmatch(line)
	if m == nil {
		return fileError{}, false
	}
	n, _ := strconv.Atoi(m[2])
	_, text, _ := strings.Cut(m[3], ": ")
	return fileError{line: line, number: n, text: text}, true
}

// plugins are the directives that CoreDNS is built with (github.com/coredns/coredns
// core/dnsserver/zdirectives.go).
var plugins = strings.Fields(`root metadata geoip cancel tls quic grpc_server https https3 timeouts multisocket reload nsid
	bufsize bind debug trace ready health pprof prometheus errors log dnstap local dns64 any chaos loadbalance tsig cache
	rewrite header dnssec autopath minimal template transfer hosts route53 azure clouddns k8s_external kubernetes file auto
	secondary etcd loop forward grpc erratic whoami on sign view nomad acl import`)

// removed are directives that CoreDNS no longer has (its release notes 1.5.0 and 1.7.0).
var removed = map[string]string{"proxy": "forward takes its place", "federation": "it was removed in 1.7.0", "upstream": "it was removed in 1.7.0, leave it out", "resyncperiod": "it was removed in 1.7.0, leave it out"}

// hint is what a wrong word should probably be.
func (e fileError) hint() string {
	m := quoted.FindStringSubmatch(e.text)
	if m == nil || !strings.Contains(strings.ToLower(e.text), "unknown ") {
		return ""
	}
	if why := removed[m[1]]; why != "" {
		return ": " + why
	}
	if near, ok := analyzers.Nearest(m[1], plugins); ok {
		return ": " + near + " was probably meant"
	}
	return ""
}

func (e fileError) report(p *analyzers.Pass, s server, severity analyzers.Severity, what string) {
	text := e.text + e.hint()
	if e.number > 0 {
		text = fmt.Sprintf("line %d of its Corefile has %s", e.number, lowerFirst(text))
	}
	if !s.shared {
		what = strings.Replace(what, "CoreDNS", s.who(), 1)
	}
	f := analyzers.Finding{
		Code: configError, Severity: severity, Subject: s.subject, Affected: []analyzers.Ref{cluster.RefOf(s.pod)},
		Summary:  analyzers.Line(what+": "+text, analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{s.said(e.log, e.line)},
		Fixes:    []analyzers.Fix{},
	}
	if cm, corefile, ok := corefileOf(p.Snapshot, s.pod.Namespace, &s.pod.Spec); ok {
		if at := lineOf(corefile, e.number); at != "" {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(cm).String(), Path: fmt.Sprintf("data[Corefile] line %d", e.number), Quote: at})
		}
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Correct the Corefile; CoreDNS reads it again at its next start", Argv: p.Kubectl(cm.Namespace, "edit", "configmap", cm.Name)})
	}
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show what CoreDNS says of its Corefile", Argv: p.Kubectl(s.pod.Namespace, "logs", s.pod.Name, "--tail=20")})
	p.Report(f)
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// reloadWords come before the error (github.com/coredns/coredns plugin/reload/reload.go).
var reloadWords = []string{"plugin/reload: Corefile changed but reload failed: ", "plugin/reload: Corefile parse failed: "}

// reportReload is about a server that runs on with its old configuration. A line of long
// ago is left alone: the ConfigMap must still have the words that it complains about.
func reportReload(p *analyzers.Pass, s server) {
	cm, corefile, ok := corefileOf(p.Snapshot, s.pod.Namespace, &s.pod.Spec)
	if !ok {
		return
	}
	for _, status := range s.pod.Status.ContainerStatuses {
		log, _ := p.Log(s.pod, status.Name, false)
		for _, line := range slices.Backward(log.Lines()) {
			if strings.Contains(line, "plugin/reload: Running configuration") {
				break // it has loaded one since
			}
			e, ok := reloadError(line)
			if !ok {
				continue
			}
			m := quoted.FindStringSubmatch(e.text)
			if m != nil && m[1] != "" && slices.Contains(fields(lineOf(corefile, e.number)), m[1]) {
				e.log, e.line = log, line
				e.report(p, s, analyzers.Warning, fmt.Sprintf("CoreDNS runs on with the Corefile before the change of ConfigMap %s and would not start with it", cm.Name))
			}
			break
		}
	}
}

func reloadError(line string) (fileError, bool) {
	for _, w := range reloadWords {
		if _, text, ok := strings.Cut(line, w); ok {
			text = strings.TrimPrefix(text, "starting with listener file descriptors: ")
			return parseFileError(text)
		}
	}
	return fileError{}, false
}
