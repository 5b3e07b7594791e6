package cluster

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

func TestForbiddenIn(t *testing.T) {
	for line, want := range map[string]Request{
		`Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:shop:reporter" cannot list resource "pods" in API group "" in the namespace "shop"`: {
			User: "system:serviceaccount:shop:reporter", Verb: "list", Resource: "pods", Namespace: "shop"},
		`{"level":"error","err":"deployments.apps \"web\" is forbidden: User \"system:serviceaccount:shop:scaler\" cannot patch resource \"deployments/scale\" in API group \"apps\" in the namespace \"shop\""}`: {
			User: "system:serviceaccount:shop:scaler", Verb: "patch", Resource: "deployments", Subresource: "scale", Group: "apps", Name: "web", Namespace: "shop"},
		`nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope`: {User: "system:anonymous", Verb: "list", Resource: "nodes"},
		`forbidden: User "system:serviceaccount:a:b" cannot get path "/metrics"`:                                        {User: "system:serviceaccount:a:b", Verb: "get", Path: "/metrics"},
	} {
		if got, ok := ForbiddenIn(line); !ok || got != want {
			t.Errorf("%s: %+v, %v", line, got, ok)
		}
	}
	for _, line := range []string{`User "bob" cannot log in`, `permission denied`, `order is forbidden: User cannot list`} {
		if got, ok := ForbiddenIn(line); ok {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

func TestRuleAllows(t *testing.T) {
	rule := func(groups, resources, verbs, names string) rbacv1.PolicyRule {
		r := rbacv1.PolicyRule{APIGroups: []string{groups}, Resources: []string{resources}, Verbs: []string{verbs}}
		if names != "" {
			r.ResourceNames = []string{names}
		}
		return r
	}
	log := Request{Verb: "get", Resource: "pods", Subresource: "log"}
	for _, c := range []struct {
		rule rbacv1.PolicyRule
		ask  Request
		want bool
	}{
		{rule("", "pods", "get", ""), Request{Verb: "get", Resource: "pods"}, true},
		{rule("", "pods", "get", ""), log, false},
		{rule("", "pods/log", "get", ""), log, true},
		{rule("", "*/log", "get", ""), log, true},
		{rule("*", "*", "*", ""), log, true},
		{rule("apps", "pods", "get", ""), Request{Verb: "get", Resource: "pods"}, false},
		{rule("", "configmaps", "get", "a"), Request{Verb: "get", Resource: "configmaps", Name: "a"}, true},
		{rule("", "configmaps", "list", "a"), Request{Verb: "list", Resource: "configmaps"}, false},
		{rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics/*"}}, Request{Verb: "get", Path: "/metrics/cadvisor"}, true},
		{rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics"}}, Request{Verb: "get", Path: "/metrics/cadvisor"}, false},
	} {
		if got := RuleAllows(c.rule, c.ask); got != c.want {
			t.Errorf("%+v, %+v: %v", c.rule, c.ask, got)
		}
	}
}
