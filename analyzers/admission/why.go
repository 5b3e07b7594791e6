package admission

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A reading is what roles and bindings say about a request that was forbidden.
type reading struct {
	reason   string // continues "ServiceAccount x may not …:"
	evidence []analyzers.Evidence
	fixes    []analyzers.Fix
}

// why tells which binding or role is nearest to granting a request. The first that fits is
// the one that a person had in mind: a role that grants it all and does not reach the
// account comes before one that reaches it and grants too little.
func why(p *analyzers.Pass, r cluster.Refusal) reading {
	check := analyzers.Fix{Why: "Ask the API server again afterwards", Argv: p.Kubectl(r.Namespace, canI(r.Request)...)}
	if !r.Known {
		return reading{fixes: []analyzers.Fix{check}}
	}
	c := newCase(p, r.Request)
	for _, try := range []func(*kase) (reading, bool){missingRole, otherSubject, otherNamespace, onlyInNamespace, tooLittle} {
		if out, ok := try(c); ok {
			out.fixes = append(out.fixes, check)
			return out
		}
	}
	out := unbound(c)
	out.fixes = append(out.fixes, check)
	return out
}

// kase is one request and the bindings that have to do with it.
type kase struct {
	p          *analyzers.Pass
	r          cluster.Request
	namespace  string // of the account
	account    string
	reaching   []cluster.Binding // name the user and hold where it asks
	elsewhere  []cluster.Binding // name the user and hold in another namespace
	notForUser []cluster.Binding // hold where it asks and are for others
}

func newCase(p *analyzers.Pass, r cluster.Request) *kase {
	c := &kase{p: p, r: r}
	c.namespace, c.account, _ = r.Account()
	for _, b := range p.Bindings() {
		_, direct := b.Names(r)
		switch {
		case direct && b.Reaches(r):
			c.reaching = append(c.reaching, b)
		case direct:
			c.elsewhere = append(c.elsewhere, b)
		case b.Reaches(r):
			c.notForUser = append(c.notForUser, b)
		}
	}
	return c
}

// missingRole: the binding is there and its role is not.
func missingRole(c *kase) (reading, bool) {
	for _, b := range c.reaching {
		if !b.Missing {
			continue
		}
		out := reading{
			reason:   fmt.Sprintf("%s %s names %s %s, which does not exist", b.Ref.Kind, b.Ref.Name, b.Role.Kind, b.Role.Name),
			evidence: []analyzers.Evidence{{Source: b.Ref.String(), Path: "roleRef", Quote: "roleRef: " + b.Role.Kind + "/" + b.Role.Name}},
		}
		if near, ok := analyzers.Nearest(b.Role.Name, roleNames(c.p, b.Role)); ok {
			out.reason += "; " + near + " was probably meant"
			// roleRef cannot be changed (k8s.io/kubernetes pkg/apis/rbac/validation/validation.go).
			out.fixes = append(out.fixes,
				analyzers.Fix{Why: fmt.Sprintf("Bind %s %s instead; a binding cannot be turned to another role", b.Role.Kind, near), Argv: c.p.Kubectl(b.Ref.Namespace, bindTo(c, b.Ref.Kind, b.Ref.Name+"-"+near, b.Role.Kind, near)...)})
		}
		out.fixes = append(out.fixes, createRole(c, b.Role))
		return out, true
	}
	return reading{}, false
}

func roleNames(p *analyzers.Pass, role analyzers.Ref) []string {
	var out []string
	if role.Kind == "ClusterRole" {
		for o := range cluster.All[*rbacv1.ClusterRole](p.Snapshot) {
			out = append(out, o.Name)
		}
		return out
	}
	for o := range cluster.In[*rbacv1.Role](p.Snapshot, role.Namespace) {
		out = append(out, o.Name)
	}
	return out
}

// otherSubject: a binding grants it, to an account that does not exist or of the same name
// in another namespace.
func otherSubject(c *kase) (reading, bool) {
	for _, b := range c.notForUser {
		if c.account == "" || !b.Grants(c.r) {
			continue
		}
		for i, s := range b.Subjects {
			field, value, ok := slip(c, b, s)
			if !ok {
				continue
			}
			named := s.Kind + " " + s.Name
			if s.Kind == rbacv1.ServiceAccountKind {
				named = fmt.Sprintf("ServiceAccount %s/%s", firstOf(s.Namespace, b.Ref.Namespace), s.Name)
			}
			patch := fmt.Sprintf(`[{"op":"replace","path":"/subjects/%d/%s","value":%q}]`, i, field, value)
			if field == "kind" {
				patch = fmt.Sprintf(`[{"op":"replace","path":"/subjects/%d","value":{"kind":"ServiceAccount","name":%q,"namespace":%q}}]`, i, c.account, c.namespace)
			}
			return reading{
				reason:   fmt.Sprintf("%s %s is for %s", b.Ref.Kind, b.Ref.Name, named),
				evidence: []analyzers.Evidence{{Source: b.Ref.String(), Path: fmt.Sprintf("subjects[%d]", i), Quote: subjectText(s)}},
				fixes: []analyzers.Fix{{
					Why:  fmt.Sprintf("Name ServiceAccount %s/%s in the binding", c.namespace, c.account),
					Argv: c.p.Kubectl(b.Ref.Namespace, "patch", strings.ToLower(b.Ref.Kind), b.Ref.Name, "--type", "json", "-p", patch),
				}},
			}, true
		}
	}
	return reading{}, false
}

// slip tells a subject that was to be the account from one that is another on purpose.
func slip(c *kase, b cluster.Binding, s rbacv1.Subject) (field, value string, ok bool) {
	if s.Kind == rbacv1.UserKind {
		return "kind", "", s.Name == c.account || s.Name == c.namespace+":"+c.account
	}
	if s.Kind != rbacv1.ServiceAccountKind {
		return "", "", false
	}
	ns := firstOf(s.Namespace, b.Ref.Namespace)
	_, exists := cluster.Find[*corev1.ServiceAccount](c.p.Snapshot, ns, s.Name)
	if exists || !c.p.Sees(cluster.ServiceAccounts, ns) && c.p.InScope(ns) {
		return "", "", false
	}
	if s.Name == c.account && ns != c.namespace {
		return "namespace", c.namespace, true
	}
	if near, ok := analyzers.Nearest(s.Name, []string{c.account}); ok && ns == c.namespace {
		return "name", near, true
	}
	return "", "", false
}

func subjectText(s rbacv1.Subject) string {
	text := fmt.Sprintf("kind: %s, name: %s", s.Kind, s.Name)
	if s.Namespace != "" {
		text += ", namespace: " + s.Namespace
	}
	return text
}

// otherNamespace: the account is bound to a role that grants it, in another namespace than
// the one that it asks for.
func otherNamespace(c *kase) (reading, bool) {
	for _, b := range c.elsewhere {
		if c.r.Namespace == "" || !b.Grants(c.r) {
			continue
		}
		out := reading{
			reason:   fmt.Sprintf("%s %s grants it in namespace %s only", b.Ref.Kind, b.Ref.Name, b.Ref.Namespace),
			evidence: []analyzers.Evidence{{Source: b.Ref.String(), Path: "roleRef", Quote: "roleRef: " + b.Role.Kind + "/" + b.Role.Name}},
		}
		if b.Role.Kind == "ClusterRole" {
			out.fixes = []analyzers.Fix{bind(c, b.Role.Kind, b.Role.Name)}
		} else {
			out.fixes = []analyzers.Fix{createRole(c, analyzers.Ref{Kind: "Role", Namespace: c.r.Namespace, Name: b.Role.Name}), bind(c, "Role", b.Role.Name)}
		}
		return out, true
	}
	return reading{}, false
}

// onlyInNamespace: it is granted in a namespace and asked for in all of them, or of a kind
// that lies in none.
func onlyInNamespace(c *kase) (reading, bool) {
	for _, b := range c.elsewhere {
		if c.r.Namespace != "" || c.r.Path != "" || !b.Grants(c.r) {
			continue
		}
		return reading{
			reason:   fmt.Sprintf("%s %s grants it in namespace %s only", b.Ref.Kind, b.Ref.Name, b.Ref.Namespace),
			evidence: []analyzers.Evidence{{Source: b.Ref.String(), Path: "roleRef", Quote: "roleRef: " + b.Role.Kind + "/" + b.Role.Name}},
			fixes: []analyzers.Fix{
				createRole(c, analyzers.Ref{Kind: "ClusterRole", Name: roleName(c)}),
				bind(c, "ClusterRole", roleName(c)),
				{Why: "Or let the program ask for its own namespace alone, if that is all it needs"},
			},
		}, true
	}
	return reading{}, false
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func canI(r cluster.Request) []string {
	what := []string{r.Path}
	if r.Path == "" {
		name := r.Resource
		if r.Group != "" {
			name += "." + r.Group
		}
		if r.Name != "" {
			name += "/" + r.Name
		}
		what = []string{name}
		if r.Subresource != "" {
			what = append(what, "--subresource="+r.Subresource)
		}
		if r.Namespace == "" {
			what = append(what, "--all-namespaces")
		}
	}
	return slices.Concat([]string{"auth", "can-i", r.Verb}, what, []string{"--as=" + r.User})
}
