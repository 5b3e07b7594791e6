package rollouts

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ServiceAccount finds pods that are not created because their service account is
// missing.
var ServiceAccount = &analyzers.Analyzer{
	Name:  "rollouts/service-account",
	Doc:   `pods that are not created because their service account does not exist`,
	Needs: slices.Concat(refusalKinds, accountKinds),
	Emits: []analyzers.Code{noServiceAccount},
	Run:   reportCauses(accountCause),
}

// PriorityClass finds pods that are not created because their priority class is missing.
var PriorityClass = &analyzers.Analyzer{
	Name:  "rollouts/priority-class",
	Doc:   `pods that are not created because their priority class does not exist`,
	Needs: slices.Concat(refusalKinds, priorityKinds),
	Emits: []analyzers.Code{noPriorityClass},
	Run:   reportCauses(priorityCause),
}

var (
	accountKinds  = []schema.GroupKind{cluster.ServiceAccounts}
	priorityKinds = []schema.GroupKind{cluster.PriorityClasses}

	// k8s.io/kubernetes plugin/pkg/admission/serviceaccount/admission.go
	accountWords = regexp.MustCompile(`^error looking up service account ([^/\s]+)/([^:\s]+): serviceaccount "[^"]*" not found$`)
	// k8s.io/kubernetes plugin/pkg/admission/priority/admission.go
	priorityWords = regexp.MustCompile(`^no PriorityClass with name (\S+) was found$`)
)

func accountCause(p *analyzers.Pass, r refusal) *cause {
	m := accountWords.FindStringSubmatch(r.reason)
	if m == nil {
		return nil
	}
	namespace, name := m[1], m[2]
	ref := analyzers.Ref{APIVersion: "v1", Kind: "ServiceAccount", Namespace: namespace, Name: name}
	c := newCause(noServiceAccount, r)
	c.CausedBy = []analyzers.Ref{ref}
	_, c.gone = cluster.Find[*corev1.ServiceAccount](p.Snapshot, namespace, name)
	// The account default comes by itself a moment after its namespace.
	c.wait = name == "default" && p.Since(r.since) < time.Minute
	c.word = fmt.Sprintf("ServiceAccount %s does not exist", name)
	c.Summary = c.word + " in namespace " + namespace
	c.Shared = fmt.Sprintf("ServiceAccount %s/%s does not exist", namespace, name)
	if t := r.template(); t.Spec.ServiceAccountName == name {
		c.Evidence = append(c.Evidence, analyzers.Evidence{Source: cluster.RefOf(r.controller).String(), Path: "spec.template.spec.serviceAccountName", Quote: "serviceAccountName: " + name})
	}
	var names []string
	for sa := range cluster.In[*corev1.ServiceAccount](p.Snapshot, namespace) {
		names = append(names, sa.Name)
	}
	if near, ok := analyzers.Nearest(name, names); ok {
		c.Summary += fmt.Sprintf("; %s was probably meant", near)
		c.Fixes = append(c.Fixes, analyzers.Fix{
			Why:  fmt.Sprintf("Use ServiceAccount %s, which was probably meant", near),
			Argv: p.Kubectl(namespace, "set", "serviceaccount", r.root.Short(), near),
		})
	}
	c.Fixes = append(c.Fixes, analyzers.Fix{
		Why:  "Create the ServiceAccount, then bind the roles to it that the program needs",
		Argv: p.Kubectl(namespace, "create", "serviceaccount", name),
	})
	return c
}

func priorityCause(p *analyzers.Pass, r refusal) *cause {
	m := priorityWords.FindStringSubmatch(r.reason)
	if m == nil {
		return nil
	}
	name := m[1]
	c := newCause(noPriorityClass, r)
	c.CausedBy = []analyzers.Ref{{APIVersion: "scheduling.k8s.io/v1", Kind: "PriorityClass", Name: name}}
	_, c.gone = cluster.Find[*schedulingv1.PriorityClass](p.Snapshot, "", name)
	c.word = fmt.Sprintf("PriorityClass %s does not exist", name)
	c.Summary, c.Shared = c.word, c.word
	var names []string
	for pc := range cluster.All[*schedulingv1.PriorityClass](p.Snapshot) {
		names = append(names, pc.Name)
	}
	if near, ok := analyzers.Nearest(name, names); ok {
		c.Summary += fmt.Sprintf("; %s was probably meant", near)
		if patchable(r.root) {
			c.Fixes = append(c.Fixes, analyzers.Fix{
				Why:  fmt.Sprintf("Use PriorityClass %s, which was probably meant", near),
				Argv: p.Kubectl(r.namespace(), "patch", r.root.Short(), "--type", "strategic", "-p", fmt.Sprintf(`{"spec":{"template":{"spec":{"priorityClassName":%q}}}}`, near)),
			})
		}
	}
	c.Fixes = append(c.Fixes, analyzers.Fix{
		Why:  "Create the PriorityClass with the rank that it should have",
		Argv: p.Kubectl("", "create", "priorityclass", name, "--value=<rank>"),
	})
	return c
}
