package dns

import (
	"fmt"
	"slices"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Bypass finds programs that cannot resolve a Service's name because their pods do not
// ask the cluster's DNS.
var Bypass = &analyzers.Analyzer{
	Name: "dns/bypass",
	Doc: `pods that ask for a Service's name at a server that does not know it

Many agents run in the host's network or with dnsPolicy Default on purpose, as they ask
for no Service. So the policy alone is no fault: a program has to stand still because such
a name cannot be resolved.`,
	Needs: slices.Clone(lookupKinds),
	Emits: []analyzers.Code{nameWrong},
	Run: func(p *analyzers.Pass) error {
		for _, l := range lookups(p) {
			d, ok := detourOf(p.Snapshot, &l.pod.Spec)
			if !ok || !l.namesService() && l.answer != cluster.NoAnswer {
				continue
			}
			// With the policy put right a name that is wrong would still be wrong; but the
			// node's resolver is the first thing in its way.
			f := l.finding(nameWrong, fmt.Sprintf("%s cannot resolve %s: %s", l.name(), l.host, d.why), d.evidence(l.subject))
			f.Fixes = d.fixes(p, l.subject)
			if svc := l.dependsOn.Service; svc != nil {
				f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(svc).String(), Path: "metadata.name", Quote: "exists"})
			}
			p.Report(f)
		}
		return nil
	},
}
