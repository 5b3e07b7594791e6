package reach

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A State is the answer to whether a connection is let through.
type State string

const (
	Allowed      State = "allowed"
	Denied       State = "denied"
	NotEvaluated State = "not-evaluated"
)

// A Side is what the policies around one pod say of one direction.
type Side struct {
	Direction networkingv1.PolicyType `json:"direction"`
	Pod       cluster.Ref             `json:"pod"`
	State     State                   `json:"state"`
	Why       string                  `json:"why"`
	// Policies are those that select the pod for this direction and so isolate it.
	Policies []cluster.Ref `json:"policies,omitempty"`
	Rule     *Rule         `json:"rule,omitempty"` // that allows
	// Near are rules that were probably meant to allow it, the likeliest first.
	Near    []Near `json:"near,omitempty"`
	Missing *Fix   `json:"missing,omitempty"` // what would allow it
}

// A Rule is one entry of a policy's ingress or egress list.
type Rule struct {
	Policy cluster.Ref `json:"policy"`
	Index  int         `json:"index"`
	Path   string      `json:"path"` // spec.ingress[0]
}

// A rule is a Rule with its contents, alike for both directions.
type rule struct {
	policy *networkingv1.NetworkPolicy
	index  int
	peers  []networkingv1.NetworkPolicyPeer
	ports  []networkingv1.NetworkPolicyPort
}

func rulesOf(p *networkingv1.NetworkPolicy, d networkingv1.PolicyType) []rule {
	var out []rule
	if d == networkingv1.PolicyTypeIngress {
		for i, r := range p.Spec.Ingress {
			out = append(out, rule{p, i, r.From, r.Ports})
		}
		return out
	}
	for i, r := range p.Spec.Egress {
		out = append(out, rule{p, i, r.To, r.Ports})
	}
	return out
}

// Affects reports whether a policy is about a direction, with the defaults of the API
// server: always about Ingress, about Egress when it has egress rules
// (k8s.io/kubernetes pkg/apis/networking/v1/defaults.go, SetDefaults_NetworkPolicy).
func Affects(p *networkingv1.NetworkPolicy, d networkingv1.PolicyType) bool {
	if len(p.Spec.PolicyTypes) > 0 {
		return slices.Contains(p.Spec.PolicyTypes, d)
	}
	return d == networkingv1.PolicyTypeIngress || len(p.Spec.Egress) > 0
}

// judge tells what the policies around subject say of a connection between it and peer.
// dest is the one of the two that the connection goes to.
func judge(s *cluster.Snapshot, d networkingv1.PolicyType, subject, peer, dest party, port Port) *Side {
	if subject.pod == nil {
		return nil
	}
	side := &Side{Direction: d, Pod: subject.ref, State: Allowed}
	switch {
	case !subject.selectable():
		side.Why = fmt.Sprintf("%s uses the host network, which policies do not restrict", subject.ref)
		return side
	case subject.same(peer):
		side.Why = "a pod can always reach itself"
		return side
	case peer.nodeOf(subject):
		// "traffic to and from the node where a Pod is running is always allowed": so the
		// kubelet's probes are never cut off.
		side.Why = fmt.Sprintf("traffic between a pod and its own node, %s, is always allowed", subject.node)
		return side
	}
	if why := blind(s, subject); why != "" {
		side.State, side.Why = NotEvaluated, why
		return side
	}
	var isolating []*networkingv1.NetworkPolicy
	for p := range cluster.In[*networkingv1.NetworkPolicy](s, subject.namespace()) {
		if Affects(p, d) && selects(&p.Spec.PodSelector, subject.labels()) {
			isolating = append(isolating, p)
			side.Policies = append(side.Policies, cluster.RefOf(p))
		}
	}
	if len(isolating) == 0 {
		side.Why = fmt.Sprintf("no policy restricts the %s of %s", flow(d), subject.ref)
		return side
	}
	best := is(false)
	for _, p := range isolating {
		for _, r := range rulesOf(p, d) {
			m := portsMatch(r.ports, port, dest).and(peersMatch(s, r.peers, p.Namespace, peer))
			if m.truth > best.truth {
				best = m
				side.Rule = &Rule{cluster.RefOf(p), r.index, path(d, r.index)}
			}
		}
	}
	switch best.truth {
	case yes:
		side.Why = fmt.Sprintf("%s of %s allows it", side.Rule.Path, side.Rule.Policy)
	case unknown:
		side.State, side.Why = NotEvaluated, best.why
	default:
		side.State, side.Rule = Denied, nil
		side.Why = denial(d, subject, side.Policies)
		side.Near = nearMisses(s, d, subject, peer, dest, port, isolating)
		side.Missing = missing(s, d, subject, peer, port, isolating, side.Near)
	}
	return side
}

func denial(d networkingv1.PolicyType, subject party, policies []cluster.Ref) string {
	if len(policies) == 1 {
		return fmt.Sprintf("%s restricts the %s of %s, and no rule of it allows this", policies[0], flow(d), subject.ref)
	}
	names := make([]string, min(len(policies), 3))
	for i := range names {
		names[i] = policies[i].Name
	}
	if len(policies) > len(names) {
		names = append(names, "…")
	}
	return fmt.Sprintf("%d policies (%s) restrict the %s of %s, and no rule of them allows this", len(policies), strings.Join(names, ", "), flow(d), subject.ref)
}

func flow(d networkingv1.PolicyType) string {
	if d == networkingv1.PolicyTypeIngress {
		return "ingress"
	}
	return "egress"
}

func path(d networkingv1.PolicyType, index int) string {
	return fmt.Sprintf("spec.%s[%d]", flow(d), index)
}

// blind says what keeps the policies around a pod from being judged, "" when nothing does.
func blind(s *cluster.Snapshot, subject party) string {
	if asFile(s) && len(s.Objects(cluster.NetworkPolicies)) == 0 && !s.Sees(cluster.NetworkPolicies, subject.namespace()) {
		return noPolicies
	}
	if why := unread(s, cluster.NetworkPolicies, subject.namespace()); why != "" {
		return why
	}
	return foreign(s, subject)
}

// noPolicies: files without a policy do not say that there is none. kubectl get all, for
// one, leaves them out.
const noPolicies = "the files hold no network policy"

// unread says why a kind in a namespace is not known as a whole. Files that are no
// recording of a cluster hold what they hold; Evaluate notes that.
func unread(s *cluster.Snapshot, gk schema.GroupKind, namespace string) string {
	if s.Sees(gk, namespace) || asFile(s) {
		return ""
	}
	for _, a := range s.Access(gk) {
		if a.Namespace == "" || a.Namespace == namespace {
			return fmt.Sprintf("%s in namespace %s could not be read (%s)", plural(gk), namespace, cmp.Or(string(a.State), "unknown"))
		}
	}
	return fmt.Sprintf("%s in namespace %s were not read", plural(gk), namespace)
}

// asFile reports whether the Snapshot was made of manifests, which name no cluster.
func asFile(s *cluster.Snapshot) bool { return s.Info().Version == "" && s.Info().Context == "" }

func plural(gk schema.GroupKind) string {
	if k, ok := cluster.KindFor(gk); ok {
		if k.Custom() {
			return k.Resource + "." + k.Group
		}
		return k.Resource
	}
	return gk.Kind
}
