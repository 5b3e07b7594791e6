package rollouts

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ReplicaFailure finds controllers whose pods the API server refuses.
var ReplicaFailure = &analyzers.Analyzer{
	Name: "rollouts/replica-failure",
	Doc: `workloads whose pods the API server refuses to create

The reason is in the words of the API server; the other checks of this package turn the
known ones into a cause. Events of a start in which a service account or quota came a
moment late are left alone as soon as all pods exist.`,
	Needs: kinds(refusalKinds, quotaKinds, limitKinds, securityKinds, accountKinds, priorityKinds, webhookKinds),
	Emits: []analyzers.Code{replicaFailure},
	Run:   runReplicaFailure,
}

// kinds joins lists, each kind once.
func kinds(lists ...[]schema.GroupKind) []schema.GroupKind {
	var out []schema.GroupKind
	for _, gk := range slices.Concat(lists...) {
		if !slices.Contains(out, gk) {
			out = append(out, gk)
		}
	}
	return out
}

// A cause is why the API server refuses pods, read from its words and held against the
// objects.
type cause struct {
	analyzers.Finding
	word string // what is wrong, as the end of a sentence
	gone bool   // the objects do not say so any more; the controller will try again
	wait bool   // it ends by itself within seconds
}

// causes are tried in turn; each knows its own words and returns nil for others.
var causes = []func(*analyzers.Pass, refusal) *cause{
	quotaCause, unspecifiedCause, limitCause, securityCause, accountCause, priorityCause, webhookCause, policyCause, invalidCause,
}

// settleTime is what a refusal without a known cause may last: the controller tries again
// at once, then after twice the time each time.
const settleTime = 30 * time.Second

func runReplicaFailure(p *analyzers.Pass) error {
	for _, r := range refusals(p.Snapshot) {
		f := analyzers.Finding{
			Code:    replicaFailure,
			Subject: r.root,
			Summary: r.plural() + " cannot be created: " + analyzers.Line(r.reason, 130),
			Evidence: []analyzers.Evidence{
				r.evidence,
				{Source: cluster.RefOf(r.controller).String(), Path: "status.replicas", Quote: fmt.Sprintf("replicas: %d of %d", r.has, r.has+r.missing)},
			},
			Fixes: rollbackOf(p, r),
		}
		c := explain(p, r)
		switch {
		case c != nil && c.wait, c == nil && p.Since(r.since) < settleTime && !r.since.IsZero():
			continue
		case c != nil && c.gone:
			// Between two tries up to a quarter of an hour may pass (k8s.io/client-go
			// util/workqueue, DefaultTypedControllerRateLimiter: 1000 s at most).
			f.Severity = analyzers.Warning
			f.Summary = analyzers.Line(fmt.Sprintf("%s could not be created: %s; that is over, and the controller tries again %s", r.plural(), c.word, r.nextTry()), 160)
		case c == nil:
			f.Fixes = append(f.Fixes, analyzers.Fix{
				Why:  "Show what the API server answers to each attempt",
				Argv: p.Kubectl(r.namespace(), "describe", cluster.RefOf(r.controller).Short()),
			})
		default:
			f.Summary = r.plural() + " cannot be created: " + c.word
			f.CausedBy, f.Shared = c.CausedBy, c.Shared
		}
		p.Report(f)
	}
	return nil
}

// plural is what is refused, as the beginning of a sentence. Without its claim there is no
// pod either.
func (r refusal) plural() string {
	if r.noun == "Job" || r.noun == "ReplicaSet" {
		return r.noun + "s"
	}
	return "Pods"
}

func (r refusal) nextTry() string {
	if r.noun == "Job" {
		return "when it is due"
	}
	return "within 17 minutes"
}

func explain(p *analyzers.Pass, r refusal) *cause {
	for _, try := range causes {
		if c := try(p, r); c != nil {
			return c
		}
	}
	return nil
}

// reportCauses is the Run of a check for one of the causes.
func reportCauses(try ...func(*analyzers.Pass, refusal) *cause) func(*analyzers.Pass) error {
	return func(p *analyzers.Pass) error {
		for _, r := range refusals(p.Snapshot) {
			for _, t := range try {
				if c := t(p, r); c != nil && !c.gone && !c.wait {
					p.Report(c.Finding)
				}
			}
		}
		return nil
	}
}

func rollbackOf(p *analyzers.Pass, r refusal) []analyzers.Fix {
	if o := p.RootObject(r.controller); o != nil {
		return rollback(p, o)
	}
	return nil
}

// newCause is a finding about the workload whose pods are refused.
func newCause(code analyzers.Code, r refusal) *cause {
	return &cause{Finding: analyzers.Finding{Code: code, Subject: r.root, Evidence: []analyzers.Evidence{r.evidence}}}
}
