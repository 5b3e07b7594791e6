package dns

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// CrashLoop finds CoreDNS servers that end again and again for another reason than their
// Corefile, a forwarding loop above all.
var CrashLoop = &analyzers.Analyzer{
	Name: "dns/crash-loop",
	Doc: `CoreDNS servers that end again and again

Plugin loop stops a server whose own queries come back to it. What is wrong with the
Corefile has a code of its own. In a namespace that is in scope, what the kernel and the
kubelet do to a container is said by the checks of crashes.`,
	Needs: append(slices.Clone(serverKinds), cluster.ConfigMaps),
	Emits: []analyzers.Code{crashLoop},
	Run: func(p *analyzers.Pass) error {
		for _, s := range servers(p) {
			_, end, log, ok := s.crash(p)
			if !ok || s.local {
				continue
			}
			if m, line, ok := loopLine(log); ok {
				reportLoop(p, s, log, m, line)
				continue
			}
			if _, ok := startError(log); ok {
				continue
			}
			if p.InScope(s.pod.Namespace) && (end.Reason == "OOMKilled" || end.ExitCode == 0 || end.ExitCode > 128) {
				continue
			}
			f := s.ended(crashLoop, log, end.ExitCode, end.Reason)
			f.Severity = s.severity(p)
			f.Fixes = []analyzers.Fix{{Why: "Show what it wrote before it ended", Argv: p.Kubectl(s.pod.Namespace, "logs", s.pod.Name, "--previous", "--tail=50")}}
			p.Report(f)
		}
		return nil
	},
}

// loopWords are those of plugin loop (github.com/coredns/coredns plugin/loop/loop.go).
var loopWords = regexp.MustCompile(`plugin/loop: Loop \((\S+) -> (\S+)\) detected for zone "([^"]+)"`)

func loopLine(log cluster.Log) (m []string, line string, ok bool) {
	for _, line := range slices.Backward(log.Lines()) {
		if m := loopWords.FindStringSubmatch(line); m != nil {
			return m, line, true
		}
	}
	return nil, "", false
}

func reportLoop(p *analyzers.Pass, s server, log cluster.Log, m []string, line string) {
	f := analyzers.Finding{
		Code: crashLoop, Severity: s.severity(p), Subject: s.subject, Affected: []analyzers.Ref{cluster.RefOf(s.pod)},
		Evidence: []analyzers.Evidence{s.said(log, line)},
	}
	to := "its upstream"
	if cm, corefile, ok := corefileOf(p.Snapshot, s.pod.Namespace, &s.pod.Spec); ok {
		if d, ok := forwardOf(corefile, m[3]); ok {
			to = strings.Join(d.args[1:], " ")
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(cm).String(), Path: fmt.Sprintf("data[Corefile] line %d", d.line), Quote: lineOf(corefile, d.line)})
		}
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Forward to a name server outside the cluster in place of " + to, Argv: p.Kubectl(cm.Namespace, "edit", "configmap", cm.Name)})
	}
	f.Summary = analyzers.Line(fmt.Sprintf("%s stops itself: queries for zone %s that it forwards to %s come back to it", s.who(), m[3], to), analyzers.MaxSummary)
	if strings.HasPrefix(to, "/") {
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Or give the kubelet a resolv.conf without a loopback address: resolvConf: /run/systemd/resolve/resolv.conf; this shows what pods get now", Argv: p.Kubectl(s.pod.Namespace, "debug", "node/"+s.pod.Spec.NodeName, "-it", "--image=busybox", "--", "cat", "/host/etc/resolv.conf")})
	}
	p.Report(f)
}

// forwardOf is the line that forwards a zone.
func forwardOf(corefile, zone string) (directive, bool) {
	blocks, _ := parseCorefile(corefile)
	for _, b := range blocks {
		for _, d := range b.directives {
			if d.name == "forward" && len(d.args) > 1 && d.args[0] == zone {
				return d, true
			}
		}
	}
	return directive{}, false
}

// ended is the finding about a server that ended with its last line as the reason.
func (s server) ended(code analyzers.Code, log cluster.Log, exit int32, reason string) analyzers.Finding {
	text := fmt.Sprintf("%s ends again and again with exit code %d", s.who(), exit)
	if reason == "OOMKilled" {
		text = s.who() + " is killed again and again for the memory that it takes"
	}
	f := analyzers.Finding{Code: code, Subject: s.subject, Affected: []analyzers.Ref{cluster.RefOf(s.pod)}}
	if lines := log.Lines(); len(lines) > 0 {
		last := lines[len(lines)-1]
		if reason != "OOMKilled" {
			text += ": " + strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(last, "[FATAL]"), "[ERROR]"))
		}
		f.Evidence = append(f.Evidence, s.said(log, last))
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(s.pod).String(), Path: "status.containerStatuses", Quote: strings.TrimSuffix(fmt.Sprintf("exitCode: %d, reason: %s", exit, reason), ", reason: ")})
	f.Summary = analyzers.Line(text, analyzers.MaxSummary)
	return f
}
