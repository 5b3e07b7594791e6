package dns

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NodeLocal finds nodes whose DNS cache does not run.
var NodeLocal = &analyzers.Analyzer{
	Name: "dns/node-local",
	Doc: `nodes whose NodeLocal DNSCache does not run, so that their pods resolve no name

The pods of a node ask the cache at an address that nothing else answers: one that is down
takes the DNS away from all of them, whatever CoreDNS does.`,
	Needs: slices.Clone(lookupKinds),
	Emits: []analyzers.Code{nodeLocal},
	Run: func(p *analyzers.Pass) error {
		for _, s := range servers(p) {
			if !s.local || !s.shared {
				continue
			}
			if _, end, log, ok := s.crash(p); ok {
				if p.InScope(s.pod.Namespace) && (end.Reason == "OOMKilled" || end.ExitCode == 0 || end.ExitCode > 128) {
					continue
				}
				s.reportLocal(p, s.ended(nodeLocal, log, end.ExitCode, end.Reason), log)
			}
		}
		return nil
	},
}

// bindWords are of an address or port of the cache that something else has.
var bindWords = regexp.MustCompile(`listen (?:tcp|udp)[46]? (\S+): bind: (address already in use|cannot assign requested address)`)

func (s server) reportLocal(p *analyzers.Pass, f analyzers.Finding, log cluster.Log) {
	for _, line := range slices.Backward(log.Lines()) {
		if m := bindWords.FindStringSubmatch(line); m != nil {
			f.Summary = fmt.Sprintf("NodeLocal DNSCache ends again and again: it cannot listen on %s (%s)", m[1], m[2])
			f.Evidence[0] = s.said(log, line)
			break
		}
	}
	node := s.pod.Spec.NodeName
	var clients []lookup
	for _, l := range lookups(p) {
		if ref, ok := p.Asked(l.server); l.server != "" && ok && ref.Is(s.subject) && l.pod.Spec.NodeName == node {
			clients = append(clients, l)
		}
	}
	suffer(&f, clients)
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(s.pod).String(), Path: "spec.nodeName", Quote: node})
	f.Fixes = []analyzers.Fix{{Why: "Show what the cache wrote before it ended", Argv: p.Kubectl(s.pod.Namespace, "logs", s.pod.Name, "--previous", "--tail=50")}}
	p.Report(f)
}
