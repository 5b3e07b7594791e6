package admission

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// tooLittle: the account has a role here, and its rules lack what is asked for.
func tooLittle(c *kase) (reading, bool) {
	var best cluster.Binding
	var gap string
	rank := 0
	for _, b := range c.reaching {
		if b.Missing || b.Unread {
			continue
		}
		if g, n := lack(b.Rules, c.r); n > rank {
			best, gap, rank = b, g, n
		}
	}
	if rank == 0 {
		return reading{}, false
	}
	out := reading{
		reason: fmt.Sprintf("its %s %s %s", best.Role.Kind, best.Role.Name, gap),
		evidence: []analyzers.Evidence{
			{Source: best.Role.String(), Path: "rules", Quote: rulesText(best.Rules, c.r)},
			{Source: best.Ref.String(), Path: "subjects", Quote: fmt.Sprintf("ServiceAccount %s/%s", c.namespace, c.account)},
		},
	}
	if builtIn(c.p, best.Role) { // shared by many, and reset by the API server at its start
		out.fixes = []analyzers.Fix{createRole(c, ownRole(c)), bind(c, ownRole(c).Kind, ownRole(c).Name)}
		return out, true
	}
	out.fixes = []analyzers.Fix{{
		Why:  fmt.Sprintf("Add the rule to %s %s", best.Role.Kind, best.Role.Name),
		Argv: c.p.Kubectl(best.Role.Namespace, "patch", strings.ToLower(best.Role.Kind), best.Role.Name, "--type", "json", "-p", addRule(c.r)),
	}}
	return out, true
}

// lack says what rules are short of, and how near they come: the verb is missing, the
// object's name, the API group, the subresource, or all of it.
func lack(rules []rbacv1.PolicyRule, r cluster.Request) (gap string, rank int) {
	gap, rank = "says nothing of "+firstOf(r.Full(), r.Path), 1
	better := func(n int, text string) {
		if n > rank {
			gap, rank = text, n
		}
	}
	var verbs []string
	for _, rule := range rules {
		named := cluster.RuleNames(rule, r)
		group := slices.Contains(rule.APIGroups, r.Group) || slices.Contains(rule.APIGroups, "*")
		verb := slices.Contains(rule.Verbs, r.Verb) || slices.Contains(rule.Verbs, "*")
		switch {
		case r.Path != "":
		case named && group && verb && len(rule.ResourceNames) > 0:
			if r.Name == "" {
				better(5, fmt.Sprintf("allows %s %s only for the names %s", r.Verb, r.Full(), strings.Join(rule.ResourceNames, ", ")))
			} else {
				better(5, fmt.Sprintf("allows it for %s and not for %s", strings.Join(rule.ResourceNames, ", "), r.Name))
			}
		case named && group:
			for _, v := range rule.Verbs {
				if !slices.Contains(verbs, v) {
					verbs = append(verbs, v)
				}
			}
			better(4, "")
		case named && verb:
			better(3, fmt.Sprintf("allows it for %s of API group %s, not %s", r.Resource, quoted(rule.APIGroups), quoted([]string{r.Group})))
		case r.Subresource != "" && group && verb && slices.Contains(rule.Resources, r.Resource):
			better(3, fmt.Sprintf("allows it for %s and not for %s", r.Resource, r.Full()))
		}
	}
	if rank == 4 {
		gap = fmt.Sprintf("allows only %s on %s", strings.Join(verbs, ", "), r.Full())
	}
	return gap, rank
}

func quoted(groups []string) string {
	out := make([]string, len(groups))
	for i, g := range groups {
		out[i] = fmt.Sprintf("%q", g)
	}
	return strings.Join(out, ", ")
}

// rulesText shows the rules about the resource, or all of them in short.
func rulesText(rules []rbacv1.PolicyRule, r cluster.Request) string {
	var about, all []string
	for _, rule := range rules {
		text := fmt.Sprintf("%s of %s: %s", strings.Join(slices.Concat(rule.Resources, rule.NonResourceURLs), ","), quoted(rule.APIGroups), strings.Join(rule.Verbs, ","))
		if len(rule.ResourceNames) > 0 {
			text += " for " + strings.Join(rule.ResourceNames, ",")
		}
		all = append(all, text)
		if slices.Contains(rule.Resources, r.Resource) || cluster.RuleNames(rule, r) {
			about = append(about, text)
		}
	}
	if len(about) > 0 {
		all = about
	}
	if len(all) == 0 {
		return "no rules"
	}
	return analyzers.QuoteHead(strings.Join(all, "; "))
}

// builtIn roles belong to Kubernetes or are put together from others.
func builtIn(p *analyzers.Pass, role analyzers.Ref) bool {
	if role.Kind != "ClusterRole" {
		return false
	}
	o, ok := cluster.Find[*rbacv1.ClusterRole](p.Snapshot, "", role.Name)
	return ok && (o.AggregationRule != nil || o.Labels["kubernetes.io/bootstrapping"] == "rbac-defaults")
}

// unbound: no binding here names the account.
func unbound(c *kase) reading {
	if c.account == "" {
		return reading{reason: "no role that is bound to it grants that"}
	}
	out := reading{reason: "no role is bound to it there"}
	switch {
	case c.account == "default":
		out.reason = "the namespace's default account has no role"
	case c.r.Namespace == "":
		out.reason = "no role is bound to it"
	}
	account := analyzers.Ref{APIVersion: "v1", Kind: "ServiceAccount", Namespace: c.namespace, Name: c.account}
	out.evidence = []analyzers.Evidence{{Source: account.String(), Path: "bindings", Quote: boundText(c)}}
	if role, ok := granting(c); ok { // the role was written, and its binding was not
		out.reason += fmt.Sprintf(", though %s %s grants it", role.Kind, role.Name)
		out.fixes = []analyzers.Fix{bind(c, role.Kind, role.Name)}
		return out
	}
	own := ownRole(c)
	out.fixes = []analyzers.Fix{createRole(c, own), bind(c, own.Kind, own.Name)}
	return out
}

func boundText(c *kase) string {
	var names []string
	for _, b := range c.elsewhere {
		names = append(names, b.Ref.String()+" to "+b.Role.Kind+" "+b.Role.Name)
	}
	if len(names) == 0 {
		return "no RoleBinding or ClusterRoleBinding names it"
	}
	return analyzers.QuoteHead("bound elsewhere: " + strings.Join(names, ", "))
}

// granting is a role of the namespace that grants the request and bears the account's
// name, or is the only one that does.
func granting(c *kase) (analyzers.Ref, bool) {
	var found []analyzers.Ref
	if c.r.Namespace == "" {
		return analyzers.Ref{}, false
	}
	for o := range cluster.In[*rbacv1.Role](c.p.Snapshot, c.r.Namespace) {
		if !slices.ContainsFunc(o.Rules, func(rule rbacv1.PolicyRule) bool { return cluster.RuleAllows(rule, c.r) }) {
			continue
		}
		if o.Name == c.account || strings.Contains(o.Name, c.account) && c.account != "default" {
			return cluster.RefOf(o), true
		}
		found = append(found, cluster.RefOf(o))
	}
	bound := func(ref analyzers.Ref) bool {
		return slices.ContainsFunc(c.notForUser, func(b cluster.Binding) bool { return b.Role.Is(ref) })
	}
	if len(found) == 1 && !bound(found[0]) {
		return found[0], true
	}
	return analyzers.Ref{}, false
}

// anonymous requests come without a token: the pod does not mount one.
func anonymous(p *analyzers.Pass, pod *corev1.Pod) reading {
	out := reading{reason: "the program sends no token of a ServiceAccount"}
	if m := pod.Spec.AutomountServiceAccountToken; m != nil && !*m {
		out.evidence = []analyzers.Evidence{{Source: cluster.RefOf(pod).String(), Path: "spec.automountServiceAccountToken", Quote: "automountServiceAccountToken: false"}}
	} else if sa, ok := cluster.Find[*corev1.ServiceAccount](p.Snapshot, pod.Namespace, pod.Spec.ServiceAccountName); ok && sa.AutomountServiceAccountToken != nil && !*sa.AutomountServiceAccountToken {
		out.evidence = []analyzers.Evidence{{Source: cluster.RefOf(sa).String(), Path: "automountServiceAccountToken", Quote: "automountServiceAccountToken: false"}}
	}
	if len(out.evidence) > 0 {
		out.reason += ", as automountServiceAccountToken is false"
	}
	root := p.Root(pod)
	if cluster.RollsOut(root) {
		out.fixes = []analyzers.Fix{{
			Why:  "Mount the token of the ServiceAccount into the pods",
			Argv: p.Kubectl(pod.Namespace, "patch", root.Short(), "--type", "strategic", "-p", `{"spec":{"template":{"spec":{"automountServiceAccountToken":true}}}}`),
		}}
	}
	return out
}

// verbs that go together: a client that lists in order to watch needs all three.
func verbs(r cluster.Request) []string {
	if r.Verb == "list" || r.Verb == "watch" {
		return []string{"get", "list", "watch"}
	}
	return []string{r.Verb}
}

func addRule(r cluster.Request) string {
	rule := map[string]any{"apiGroups": []string{r.Group}, "resources": []string{r.Full()}, "verbs": verbs(r)}
	if r.Path != "" {
		rule = map[string]any{"nonResourceURLs": []string{r.Path}, "verbs": []string{r.Verb}}
	}
	data, err := json.Marshal([]any{map[string]any{"op": "add", "path": "/rules/-", "value": rule}})
	if err != nil {
		return "[]"
	}
	return string(data)
}

func roleName(c *kase) string {
	return strings.Trim(firstOf(c.account, "reader")+"-"+strings.ReplaceAll(firstOf(c.r.Resource, "paths"), ".", "-"), "-")
}

// ownRole is a role to be made for the account, where it asks.
func ownRole(c *kase) analyzers.Ref {
	ref := analyzers.Ref{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role", Namespace: c.r.Namespace, Name: roleName(c)}
	if c.r.Namespace == "" {
		ref.Kind = "ClusterRole"
	}
	return ref
}

func createRole(c *kase, role analyzers.Ref) analyzers.Fix {
	args := []string{"create", strings.ToLower(role.Kind), role.Name, "--verb=" + strings.Join(verbs(c.r), ",")}
	if c.r.Path != "" {
		args = append(args, "--non-resource-url="+c.r.Path)
	} else {
		resource := c.r.Resource
		if c.r.Group != "" {
			resource += "." + c.r.Group
		}
		if c.r.Subresource != "" {
			resource += "/" + c.r.Subresource
		}
		args = append(args, "--resource="+resource)
	}
	return analyzers.Fix{Why: fmt.Sprintf("Create a %s that grants just this", role.Kind), Argv: c.p.Kubectl(role.Namespace, args...)}
}

func bind(c *kase, kind, name string) analyzers.Fix {
	binding, ns := "RoleBinding", c.r.Namespace
	if ns == "" {
		binding = "ClusterRoleBinding"
	}
	return analyzers.Fix{
		Why:  fmt.Sprintf("Bind %s %s to ServiceAccount %s/%s", kind, name, c.namespace, c.account),
		Argv: c.p.Kubectl(ns, bindTo(c, binding, c.account+"-"+name, kind, name)...),
	}
}

func bindTo(c *kase, binding, as, kind, name string) []string {
	flag := "--role="
	if kind == "ClusterRole" {
		flag = "--clusterrole="
	}
	return []string{"create", strings.ToLower(binding), as, flag + name, "--serviceaccount=" + c.namespace + ":" + c.account}
}
