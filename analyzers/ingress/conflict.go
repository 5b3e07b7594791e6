package ingress

import (
	"cmp"
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Conflict finds paths that another Ingress has already.
var Conflict = &analyzers.Analyzer{
	Name: "ingress/conflict",
	Doc: `Ingresses whose host and path another Ingress of the same class has already

The oldest wins (ingress-nginx docs/how-it-works.md; Contour does the same), and the path
of the other one gets no traffic. Clouds make a load balancer for each Ingress: there
nothing meets.`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.IngressClasses},
	Emits: []analyzers.Code{pathConflict},
	Run:   conflicts,
}

type claimKey struct{ class, host, path, pathType string }

// A claim is one path of an Ingress.
type claim struct {
	in    *networkingv1.Ingress
	route route
}

func conflicts(p *analyzers.Pass) error {
	all := claims(p.Snapshot)
	for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
		for _, mine := range claimsOf(in) {
			c := classOf(p.Snapshot, in)
			if !meets(c) {
				continue
			}
			if first := all[keyOf(c, mine)][0]; first.in != in && !sameBackend(first, mine) {
				reportConflict(p, c, mine, first)
			}
		}
	}
	return nil
}

// meets is true where the Ingresses of a class share one data plane, or where it is not
// known who serves them. NGINX's own controller joins Ingresses of one host only as
// master and minion and writes an event about any other.
func meets(c class) bool {
	return c.controller != nginxIncorporated && (c.shared() || c.controller == "")
}

// claims are the paths of all Ingresses by class, host, path and type, the winner first.
func claims(s *cluster.Snapshot) map[claimKey][]claim {
	return cluster.Derive(s, "ingress.claims", func() map[claimKey][]claim {
		out := map[claimKey][]claim{}
		for in := range cluster.All[*networkingv1.Ingress](s) {
			for _, cl := range claimsOf(in) {
				key := keyOf(classOf(s, in), cl)
				out[key] = append(out[key], cl)
			}
		}
		for _, list := range out {
			slices.SortStableFunc(list, func(a, b claim) int {
				return cmp.Or(a.in.CreationTimestamp.Compare(b.in.CreationTimestamp.Time), analyzers.CompareRefs(cluster.RefOf(a.in), cluster.RefOf(b.in)))
			})
		}
		return out
	})
}

// claimsOf are the paths that an Ingress wants for itself. A canary takes a share of the
// path of another one by design, and cert-manager's solver stands for minutes on a path
// of its own below a host that has an Ingress.
func claimsOf(in *networkingv1.Ingress) []claim {
	if in.DeletionTimestamp != nil || solver(in) || canary(in) {
		return nil
	}
	var out []claim
	for _, r := range routes(in) {
		if r.path.PathType != nil || r.path.Path != "" {
			out = append(out, claim{in, r})
		}
	}
	return out
}

func keyOf(c class, cl claim) claimKey {
	t := networkingv1.PathTypeImplementationSpecific
	if cl.route.path.PathType != nil {
		t = *cl.route.path.PathType
	}
	// ingress-nginx takes ImplementationSpecific for Prefix (internal/k8s/main.go,
	// SetDefaultNGINXPathType).
	if c.controller == nginxController && t == networkingv1.PathTypeImplementationSpecific {
		t = networkingv1.PathTypePrefix
	}
	return claimKey{c.name, cl.route.host, or(cl.route.path.Path, "/"), string(t)}
}

// sameBackend is true when it does not matter who wins, as with an Ingress that was
// renamed and whose old one still stands.
func sameBackend(a, b claim) bool {
	return a.in.Namespace == b.in.Namespace && *a.route.to == *b.route.to
}

// canary is true for an Ingress that takes a share of the traffic of another one.
func canary(in *networkingv1.Ingress) bool { return in.Annotations[nginxPrefix+"canary"] == "true" }

func reportConflict(p *analyzers.Pass, c class, mine, first claim) {
	age := "older"
	if mine.in.CreationTimestamp.Equal(&first.in.CreationTimestamp) {
		age = "other"
	}
	f := analyzers.Finding{
		Code:    pathConflict,
		Subject: cluster.RefOf(mine.in),
		Part:    mine.route.where(),
		Summary: fmt.Sprintf("%s gets no traffic from %s: the %s %s has it and leads to Service %s", "Service "+mine.route.to.Name, or(mine.route.where(), "/"), age, cluster.RefOf(first.in), first.route.to.Name),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(mine.in).String(), Path: mine.route.field, Quote: mine.route.where() + " -> " + mine.route.to.Name, At: mine.in.CreationTimestamp.Time},
			{Source: cluster.RefOf(first.in).String(), Path: first.route.field, Quote: first.route.where() + " -> " + first.route.to.Name, At: first.in.CreationTimestamp.Time},
		},
		Fixes: []analyzers.Fix{
			{Why: "Take the path out of one of the two, or give it another host", Argv: p.Kubectl(mine.in.Namespace, "edit", "ingress", mine.in.Name)},
			{Why: "Show the Ingress that has it", Argv: p.Kubectl(first.in.Namespace, "get", "ingress", first.in.Name, "-o", "yaml")},
		},
	}
	// In a manifest nothing has an age, and without a known controller no rule says who
	// wins: but two that want the same are not both served.
	if age == "other" || !c.shared() {
		f.Severity = analyzers.Warning
		f.Summary = fmt.Sprintf("Both %s and %s want %s: only one is served", mine.in.Name, cluster.RefOf(first.in), mine.route.where())
	}
	p.Report(f)
}
