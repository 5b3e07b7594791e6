package admission

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// recent is how long ago a controller must have been refused for the last time.
const recent = time.Hour

// forbiddenEvents reports objects whose controller tells by an event that it may not do
// what they ask for, such as an operator without a role. Only what RBAC denies now counts:
// the event may be from before the role came.
func forbiddenEvents(p *analyzers.Pass) {
	for ev := range cluster.Scoped[*corev1.Event](p.Snapshot) {
		if ev.Type != corev1.EventTypeWarning || p.Since(cluster.EventTime(ev)) > recent {
			continue
		}
		request, ok := cluster.ForbiddenIn(ev.Message)
		if !ok {
			continue
		}
		if allowed, known := p.Allowed(request); allowed || !known {
			continue
		}
		o := ev.InvolvedObject
		ref := analyzers.Ref{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
		w := why(p, cluster.Refusal{Request: request, Known: true})
		f := analyzers.Finding{
			Code: rbacForbidden, Severity: analyzers.Warning, Subject: ref, Part: "event", Affected: []analyzers.Ref{ref},
			Summary:  analyzers.Line(fmt.Sprintf("Its controller, %s, may not %s: %s", who(request, ""), ask(request, ""), w.reason), analyzers.MaxSummary),
			Evidence: append([]analyzers.Evidence{analyzers.EventEvidence(ref, ev)}, w.evidence...),
			Fixes:    w.fixes,
		}
		if ns, name, ok := request.Account(); ok {
			f.CausedBy = []analyzers.Ref{{APIVersion: "v1", Kind: "ServiceAccount", Namespace: ns, Name: name}}
			f.Shared = f.Summary
		}
		p.Report(f)
	}
}
