package certificates

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Order finds ACME orders that the server refused.
var Order = &analyzers.Analyzer{
	Name: "certificates/order",
	Doc: `orders that the ACME server refused: rate limits, forbidden domains, CAA

An order that fails because of a challenge is told by the challenge.`,
	Needs: append([]schema.GroupKind{cluster.Events}, kinds...),
	Emits: []analyzers.Code{orderFailed},
	Run:   runOrder,
}

func runOrder(p *analyzers.Pass) error {
	for _, i := range issuances(p) {
		if i.orderObject == nil || slices.ContainsFunc(i.challenges, func(ch step) bool { return final[ch.Status.State] }) {
			continue
		}
		if final[i.order.Status.State] {
			p.Report(refusedOrder(p, i))
			continue
		}
		// pkg/controller/acmeorders/sync.go: such an order stays pending and has no challenge.
		if ev, ok := p.LastEvent(i.orderObject, nil, "Solver"); ok && len(i.challenges) == 0 && i.order.Status.State == "pending" {
			f := orderFinding(p, i)
			f.Summary = fmt.Sprintf("No solver of %s fits %s", i.cert.Spec.IssuerRef.Name, names(i.cert))
			f.Evidence = []analyzers.Evidence{{Source: "Event on " + cluster.RefOf(i.orderObject).String(), Path: ev.Reason, Quote: analyzers.Quote(ev.Message), At: cluster.EventTime(ev)}}
			if i.issuer.Name != "" {
				f.Fixes = []analyzers.Fix{{Why: "Give the issuer a solver whose selector has these domains", Argv: p.Kubectl(i.issuer.Namespace, "edit", i.issuer.Short())}}
			}
			p.Report(f)
		}
	}
	return nil
}

func orderFinding(p *analyzers.Pass, i issuance) analyzers.Finding {
	return analyzers.Finding{Code: orderFailed, Severity: i.severity(p.Now()), Subject: cluster.RefOf(i.object), Affected: []analyzers.Ref{cluster.RefOf(i.orderObject)}}
}

func refusedOrder(p *analyzers.Pass, i issuance) analyzers.Finding {
	f := orderFinding(p, i)
	reason := i.order.Status.Reason
	if reason == "" {
		reason = "the order is in state " + i.order.Status.State
	}
	said := reason
	if m := problem.FindStringSubmatch(analyzers.Line(reason, 1000)); m != nil {
		said, _, _ = strings.Cut(m[1]+": "+m[2], "; subproblems:")
	}
	f.Summary = analyzers.Line(fmt.Sprintf("ACME server refuses %s: %s", names(i.cert), said), analyzers.MaxSummary)
	f.Evidence = []analyzers.Evidence{{Source: cluster.RefOf(i.orderObject).String(), Path: "status.reason", Quote: analyzers.Quote(i.order.Status.State + ": " + reason), At: i.cert.Status.LastFailureTime.Time}}
	ref := f.Subject
	switch {
	case strings.Contains(reason, "rateLimited"):
		f.Summary = analyzers.Line(fmt.Sprintf("The ACME server's rate limit for %s is reached: %s", names(i.cert), strings.TrimPrefix(said, "rateLimited: ")), analyzers.MaxSummary)
		f.Fixes = []analyzers.Fix{{Why: "Wait for the time that the message names: each attempt before counts too; see who asks so often", Argv: p.Kubectl("", "get", "certificaterequests", "--all-namespaces", "--sort-by=.metadata.creationTimestamp")}}
	case strings.Contains(reason, "rejectedIdentifier"), strings.Contains(reason, "unsupportedIdentifier"):
		f.Fixes = []analyzers.Fix{{Why: "Ask for a domain that this CA issues, or name another issuer", Argv: p.Kubectl(ref.Namespace, "edit", "certificate", ref.Name)}}
	case strings.Contains(reason, "acme:error:caa"):
		f.Fixes = []analyzers.Fix{{Why: "See whom the domain's CAA record allows", Argv: []string{"dig", "CAA", strings.TrimPrefix(names(i.cert), "*.")}}}
	default:
		f.Fixes = []analyzers.Fix{{Why: "Show the order with all that the server said", Argv: p.Kubectl(ref.Namespace, "describe", "order", i.orderObject.GetName())}}
	}
	return f
}
