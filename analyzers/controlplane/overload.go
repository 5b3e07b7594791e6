package controlplane

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Overload finds an API server that turns requests away.
var Overload = &analyzers.Analyzer{
	Name: "controlplane/overload",
	Doc: `an API server that turns requests away because it has too many

It shows where reading the cluster itself was refused, or where controllers write it into
their logs. Throttling by a client of itself says nothing about the server.`,
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{overloaded},
	Run:   runOverload,
}

const (
	// k8s.io/apimachinery pkg/api/errors/errors.go, NewGenericServerResponse.
	tooMany = "the server has received too many requests and has asked us to try again later"
	// One refusal is what fair queuing is for, and clients try again.
	refusals = 5
)

func runOverload(p *analyzers.Pass) error {
	f := analyzers.Finding{
		Code: overloaded, Severity: analyzers.Warning, Subject: apiServer,
		Fixes: []analyzers.Fix{
			{Why: "See which priority level is full, and whose requests fill it", Argv: p.Kubectl("", "get", "--raw", "/debug/api_priority_and_fairness/dump_priority_levels")},
			{Why: "See which flows wait", Argv: p.Kubectl("", "get", "--raw", "/debug/api_priority_and_fairness/dump_requests")},
		},
	}
	for _, k := range cluster.Kinds() {
		for _, a := range p.Access(k.GroupKind()) {
			// The collector has tried again before it gave up.
			if a.State != cluster.Complete && (strings.Contains(a.Why, "the API server answers 429") || strings.Contains(a.Why, tooMany)) {
				f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Reading " + k.Resource, Path: "answer", Quote: analyzers.Quote(a.Why), At: p.Now()})
			}
		}
	}
	if n := len(f.Evidence); n > 0 {
		f.Severity = analyzers.Error
		f.Summary = "The API server answered with 429, too many requests, when the cluster was read"
		f.Evidence = f.Evidence[:min(n, 3)]
		p.Report(f)
		return nil
	}
	said := matching(p.Snapshot, []string{manager, "kube-scheduler"}, tooMany)
	if len(said) < refusals {
		return nil
	}
	who := said[len(said)-1]
	f.Summary = fmt.Sprintf("The API server keeps turning away requests of %s: it has too many", who.component)
	f.Evidence = []analyzers.Evidence{who.evidence()}
	p.Report(f)
	return nil
}
