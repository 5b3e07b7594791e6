package cluster

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// A Request is what somebody asks of the API server: a verb on a resource, in a namespace
// or ("") in the whole cluster, or on a path that is no resource.
type Request struct {
	User        string
	Verb        string
	Group       string
	Resource    string // in the plural; empty when Path is set
	Subresource string
	Name        string // of the object, where the request names one
	Namespace   string
	Path        string
}

// Full is the resource with its subresource, as rules name it: "pods/log".
func (r Request) Full() string {
	if r.Subresource == "" {
		return r.Resource
	}
	return r.Resource + "/" + r.Subresource
}

// Account is the ServiceAccount that asks; ok is false for any other user.
func (r Request) Account() (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(r.User, "system:serviceaccount:")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}

// groups are those that the API server gives the user of a request
// (k8s.io/apiserver pkg/authentication/serviceaccount/util.go, MakeGroupNames). Those of
// other users come from outside and are not known.
func (r Request) groups() []string {
	out := []string{"system:authenticated"}
	if r.User == "system:anonymous" {
		out = []string{"system:unauthenticated"}
	}
	if ns, _, ok := r.Account(); ok {
		out = append(out, "system:serviceaccounts", "system:serviceaccounts:"+ns)
	}
	return out
}

// A Binding is a RoleBinding or a ClusterRoleBinding (without a namespace).
type Binding struct {
	Ref      Ref
	Subjects []rbacv1.Subject
	Role     Ref
	// Rules are those of the role; Missing says that the role does not exist, Unread that
	// this cannot be told.
	Rules           []rbacv1.PolicyRule
	Missing, Unread bool
}

// Bindings are all bindings of the Snapshot with the rules of their roles: those of the
// whole cluster, then those of namespaces.
func (s *Snapshot) Bindings() []Binding {
	s.noteRBAC()
	return Derive(s, "cluster.bindings", func() []Binding {
		var out []Binding
		for b := range All[*rbacv1.ClusterRoleBinding](s) {
			out = append(out, s.binding(RefOf(b), b.RoleRef, b.Subjects))
		}
		for b := range All[*rbacv1.RoleBinding](s) {
			out = append(out, s.binding(RefOf(b), b.RoleRef, b.Subjects))
		}
		return out
	})
}

func (s *Snapshot) noteRBAC() {
	s.note(Roles)
	s.note(RoleBindings)
	s.note(ClusterRoles)
	s.note(ClusterRoleBindings)
}

func (s *Snapshot) binding(ref Ref, role rbacv1.RoleRef, subjects []rbacv1.Subject) Binding {
	b := Binding{Ref: ref, Subjects: subjects, Role: Ref{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: role.Kind, Name: role.Name}}
	var found, sees bool
	if role.Kind == "ClusterRole" {
		var o *rbacv1.ClusterRole
		if o, found = Find[*rbacv1.ClusterRole](s, "", role.Name); found {
			b.Rules = o.Rules // an aggregated one holds the rules of all (pkg/controller/clusterroleaggregation)
		}
		sees = s.Sees(ClusterRoles, "")
	} else {
		b.Role.Namespace = ref.Namespace
		var o *rbacv1.Role
		if o, found = Find[*rbacv1.Role](s, ref.Namespace, role.Name); found {
			b.Rules = o.Rules
		}
		sees = s.Sees(Roles, ref.Namespace)
	}
	b.Missing, b.Unread = !found && sees, !found && !sees
	return b
}

// Names reports whether the binding is for the user of a request, and whether it names the
// user itself and not a group (k8s.io/kubernetes pkg/registry/rbac/validation/rule.go,
// appliesToUser).
func (b Binding) Names(r Request) (applies, direct bool) {
	account, name, isAccount := r.Account()
	for _, subject := range b.Subjects {
		switch subject.Kind {
		case rbacv1.UserKind:
			direct = direct || subject.Name == r.User
		case rbacv1.GroupKind:
			applies = applies || slices.Contains(r.groups(), subject.Name)
		case rbacv1.ServiceAccountKind:
			ns := subject.Namespace
			if ns == "" {
				ns = b.Ref.Namespace
			}
			direct = direct || isAccount && subject.Name == name && ns == account
		}
	}
	return applies || direct, direct
}

// Reaches reports whether the binding holds where the request is made: one of a namespace
// only there.
func (b Binding) Reaches(r Request) bool {
	return b.Ref.Namespace == "" || r.Path == "" && b.Ref.Namespace == r.Namespace
}

// Grants reports whether the role of the binding allows the request, whoever asks and
// wherever.
func (b Binding) Grants(r Request) bool {
	return slices.ContainsFunc(b.Rules, func(rule rbacv1.PolicyRule) bool { return RuleAllows(rule, r) })
}

// RuleAllows is how RBAC reads a rule (k8s.io/kubernetes
// plugin/pkg/auth/authorizer/rbac/rbac.go, RuleAllows; pkg/apis/rbac/v1/evaluation_helpers.go).
func RuleAllows(rule rbacv1.PolicyRule, r Request) bool {
	if !has(rule.Verbs, r.Verb) {
		return false
	}
	if r.Path != "" {
		return slices.ContainsFunc(rule.NonResourceURLs, func(url string) bool {
			prefix, wild := strings.CutSuffix(url, "*")
			return url == r.Path || wild && strings.HasPrefix(r.Path, prefix)
		})
	}
	return has(rule.APIGroups, r.Group) && RuleNames(rule, r) && (len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, r.Name))
}

// RuleNames reports whether a rule is about the resource of the request.
func RuleNames(rule rbacv1.PolicyRule, r Request) bool {
	return has(rule.Resources, r.Full()) || r.Subresource != "" && slices.Contains(rule.Resources, "*/"+r.Subresource)
}

func has(list []string, want string) bool {
	return slices.Contains(list, want) || slices.Contains(list, "*")
}

// Allowed reports whether RBAC allows a request. known is false when it is not seen to and
// not all that may allow it was read.
func (s *Snapshot) Allowed(r Request) (allowed, known bool) {
	for _, b := range s.Bindings() {
		if applies, _ := b.Names(r); applies && b.Reaches(r) && b.Grants(r) {
			return true, true
		}
	}
	known = s.Sees(ClusterRoleBindings, "") && s.Sees(ClusterRoles, "")
	if r.Namespace != "" {
		known = known && s.Sees(RoleBindings, r.Namespace) && s.Sees(Roles, r.Namespace)
	}
	if _, _, account := r.Account(); !account && r.User != "system:anonymous" {
		known = false // groups of other users are not known here
	}
	return false, known
}
