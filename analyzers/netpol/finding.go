package netpol

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

// A cut is a connection that the policies of one side deny.
type cut struct {
	side   *reach.Side
	client cluster.Ref // the workload that wants to connect
	target string      // what to, as a summary names it
	ask    []string    // FROM, TO and port, for fathom reach
}

// near is the likeliest slip, if there is one.
func (c cut) near() (reach.Near, bool) {
	if len(c.side.Near) == 0 {
		return reach.Near{}, false
	}
	return c.side.Near[0], true
}

// policy is the one that has to change: the one with the slip, the one that takes the
// missing rule, else the one that isolates the pod and lets nothing through.
func (c cut) policy(p *analyzers.Pass) cluster.Ref {
	if n, ok := c.near(); ok {
		return n.Policy
	}
	if m := c.side.Missing; m != nil && m.New == nil {
		return m.Target
	}
	for _, ref := range c.side.Policies {
		if policy, ok := cluster.Find[*networkingv1.NetworkPolicy](p.Snapshot, ref.Namespace, ref.Name); ok && len(rules(policy, c.side.Direction)) == 0 {
			return ref
		}
	}
	return c.side.Policies[0]
}

func rules(policy *networkingv1.NetworkPolicy, d networkingv1.PolicyType) []any {
	var out []any
	if d == networkingv1.PolicyTypeIngress {
		for _, r := range policy.Spec.Ingress {
			out = append(out, r)
		}
		return out
	}
	for _, r := range policy.Spec.Egress {
		out = append(out, r)
	}
	return out
}

// code tells a slip from a rule that nobody has written.
func (c cut) code() analyzers.Code {
	n, ok := c.near()
	switch {
	case !ok:
		return defaultDeny
	case n.Slip == reach.ServiceBlock || n.Slip == reach.PodBlock:
		return ipBlockExternal
	}
	return selectorMistake
}

func (c cut) finding(p *analyzers.Pass, pod *corev1.Pod, seen analyzers.Evidence) analyzers.Finding {
	subject := c.policy(p)
	f := analyzers.Finding{
		Code: c.code(), Subject: subject, Part: direction(c.side) + " " + c.target,
		Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary:  c.summary(subject),
		Evidence: append(c.evidence(p, subject), seen),
		Fixes:    c.fixes(p),
	}
	return f
}

func (c cut) summary(policy cluster.Ref) string {
	cannot := fmt.Sprintf("%s %s cannot reach %s", c.client.Kind, c.client.Name, c.target)
	if n, ok := c.near(); ok {
		return analyzers.Line(fmt.Sprintf("NetworkPolicy %s %s: %s", policy.Name, n.Text, cannot), analyzers.MaxSummary)
	}
	return analyzers.Line(fmt.Sprintf("%s, as no rule of NetworkPolicy %s lets this %s through", cannot, policy.Name, direction(c.side)), analyzers.MaxSummary)
}

func direction(side *reach.Side) string { return strings.ToLower(string(side.Direction)) }

// evidence quotes the rule that misses, or all that the policy lets through.
func (c cut) evidence(p *analyzers.Pass, ref cluster.Ref) []analyzers.Evidence {
	policy, ok := cluster.Find[*networkingv1.NetworkPolicy](p.Snapshot, ref.Namespace, ref.Name)
	if !ok {
		return nil
	}
	list := rules(policy, c.side.Direction)
	path, value := "spec."+direction(c.side), any(list)
	if n, ok := c.near(); ok {
		if n.Rule != nil && n.Rule.Index < len(list) {
			path, value = n.Rule.Path, list[n.Rule.Index]
		} else {
			path, value = "spec.podSelector", policy.Spec.PodSelector
		}
	}
	out := []analyzers.Evidence{{Source: ref.String(), Path: path, Quote: quote(value)}}
	if len(list) == 0 {
		out[0] = analyzers.Evidence{Source: ref.String(), Path: "spec", Quote: fmt.Sprintf("podSelector %s, no %s rules", quote(policy.Spec.PodSelector), direction(c.side))}
	}
	return append(out, analyzers.Evidence{Source: c.side.Pod.String(), Path: "metadata.labels", Quote: labelsOf(p, c.side.Pod)})
}

func quote(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return analyzers.QuoteHead(string(data))
}

func labelsOf(p *analyzers.Pass, ref cluster.Ref) string {
	o, ok := p.Get(ref)
	if !ok {
		return ""
	}
	var out []string
	for k, v := range o.GetLabels() {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return analyzers.QuoteHead(strings.Join(out, ","))
}

// fixes mend the slip, or add the rule, and say how to look again.
func (c cut) fixes(p *analyzers.Pass) []analyzers.Fix {
	var out []analyzers.Fix
	if n, ok := c.near(); ok && n.Fix != nil {
		out = append(out, patch(p, n.Fix))
	}
	if m := c.side.Missing; m != nil && m.New == nil && len(out) == 0 {
		out = append(out, patch(p, m))
	} else if m != nil && len(out) == 0 {
		out = append(out, analyzers.Fix{Why: m.Why + "; this prints it, to be piped to kubectl apply -f -", Argv: c.reach(p, "-o", "policy")})
	}
	return append(out, analyzers.Fix{Why: "Show which rules decide about this connection, on both sides", Argv: c.reach(p)})
}

func (c cut) reach(p *analyzers.Pass, more ...string) []string {
	argv := slices.Concat([]string{"fathom", "reach"}, c.ask)
	if ctx := p.Info().Context; ctx != "" {
		argv = append(argv, "--context", ctx)
	}
	return append(argv, more...)
}

func patch(p *analyzers.Pass, fix *reach.Fix) analyzers.Fix {
	return analyzers.Fix{
		Why:   fix.Why,
		Argv:  p.Kubectl(fix.Target.Namespace, "patch", "networkpolicy", fix.Target.Name, "--type", "merge", "-p", string(fix.Patch)),
		Patch: &analyzers.Patch{Target: fix.Target, Data: fix.Patch},
	}
}
