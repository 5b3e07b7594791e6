package config

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	maxSummary = 160
	maxQuote   = 300
)

// sentence joins the parts as long as they fit into a summary; the first always does.
func sentence(first string, more ...string) string {
	for _, m := range more {
		if m != "" && len([]rune(first+m)) <= maxSummary {
			first += m
		}
	}
	return first
}

// fit is first with as much of more as a summary holds.
func fit(first, more string) string {
	r := []rune(strings.Join(strings.Fields(first+more), " "))
	if len(r) > maxSummary {
		return string(r[:maxSummary-1]) + "…"
	}
	return string(r)
}

// replace is the fix that writes another value where a workload's template takes the
// object; pick chooses the field. It is empty for what cannot be changed in place.
func replace(p *analyzers.Pass, subject cluster.Object, u use, pick func(use) string, value, why string) []analyzers.Fix {
	root := p.RootObject(subject)
	prefix := map[string]string{"Deployment": "/spec/template/spec", "StatefulSet": "/spec/template/spec", "DaemonSet": "/spec/template/spec", "CronJob": "/spec/jobTemplate/spec/template/spec"}
	if root == nil {
		return nil
	}
	ref := cluster.RefOf(root)
	t, ok := cluster.Template(root)
	if !ok || prefix[ref.Kind] == "" {
		return nil
	}
	// The indices are those of the template: admission may have added to the pod.
	for _, have := range append(environment(&t.Spec), volumes(&t.Spec)...) {
		if have.kind == u.kind && have.name == u.name && have.key == u.key && have.container == u.container && have.variable == u.variable && have.volume == u.volume && pick(have) != "" {
			patch := fmt.Sprintf(`[{"op":"replace","path":%q,"value":%q}]`, prefix[ref.Kind]+pick(have), value)
			return []analyzers.Fix{{Why: why, Argv: p.Kubectl(ref.Namespace, "patch", ref.Short(), "--type", "json", "-p", patch)}}
		}
	}
	return nil
}

// create is the fix that makes the missing object, with the keys that the pod is known
// to take.
func create(p *analyzers.Pass, namespace string, spec *corev1.PodSpec, u use) analyzers.Fix {
	var args []string
	file := false
	for _, have := range append(environment(spec), volumes(spec)...) {
		if have.kind != u.kind || have.name != u.name || have.key == "" {
			continue
		}
		file = file || have.volume != ""
		arg := "--from-literal=" + have.key + "=<value>"
		if have.volume != "" {
			arg = "--from-file=" + have.key + "=<file>"
		}
		if !slices.Contains(args, arg) {
			args = append(args, arg)
		}
	}
	if len(args) == 0 && u.volume != "" {
		args = []string{"--from-file=<file>"}
	} else if len(args) == 0 {
		args = []string{"--from-env-file=<file>"}
	}
	kind := []string{"configmap", u.name}
	if u.kind == "Secret" {
		kind = []string{"secret", "generic", u.name}
		if isTLS(u.name) && u.volume != "" && !file {
			kind, args = []string{"secret", "tls", u.name}, []string{"--cert=<file>", "--key=<file>"}
		}
	}
	return analyzers.Fix{Why: "Create the missing " + u.kind, Argv: p.Kubectl(namespace, append(append([]string{"create"}, kind...), args...)...)}
}

func isTLS(name string) bool { return strings.Contains(name, "tls") || strings.Contains(name, "cert") }

// rollback is the fix that goes back to the revision before, if that one does not take
// the object or key.
func rollback(p *analyzers.Pass, subject cluster.Object, u use) []analyzers.Fix {
	root := p.RootObject(subject)
	if root == nil {
		return nil
	}
	revisions := p.Revisions(root)
	if len(revisions) < 2 {
		return nil
	}
	spec := &revisions[1].Template.Spec
	for _, have := range append(environment(spec), volumes(spec)...) {
		if have.kind == u.kind && have.name == u.name && (u.key == "" || have.key == u.key) {
			return nil
		}
	}
	ref := cluster.RefOf(root)
	return []analyzers.Fix{{Why: "Roll back to the previous revision, which does not need it", Argv: p.Kubectl(ref.Namespace, "rollout", "undo", ref.Short())}}
}

// generators are controllers that write Secrets from objects of their own, which no
// Snapshot holds: when one runs here, its objects tell why a Secret is not there yet.
var generators = []struct{ deployment, kinds, what string }{
	{"cert-manager", "certificates,certificaterequests", "a Certificate"},
	{"external-secrets", "externalsecrets", "an ExternalSecret"},
	{"sealed-secrets", "sealedsecrets", "a SealedSecret"},
}

func generated(p *analyzers.Pass, namespace string, u use) []analyzers.Fix {
	if u.kind != "Secret" {
		return nil
	}
	for _, g := range generators {
		if g.deployment == "cert-manager" && !isTLS(u.name) {
			continue
		}
		for d := range cluster.All[*appsv1.Deployment](p.Snapshot) {
			if d.Name == g.deployment || strings.HasPrefix(d.Name, g.deployment+"-controller") {
				return []analyzers.Fix{{
					Why:  fmt.Sprintf("Check whether %s should write this Secret and what keeps it: %s runs in this cluster", g.what, g.deployment),
					Argv: p.Kubectl(namespace, "get", g.kinds),
				}}
			}
		}
	}
	return nil
}

// names are the objects of the kind in a namespace.
func names(p *analyzers.Pass, kind, namespace string) []string {
	var out []string
	if kind == "Secret" {
		for o := range cluster.In[*cluster.Secret](p.Snapshot, namespace) {
			out = append(out, o.Name)
		}
		return out
	}
	for o := range cluster.In[*corev1.ConfigMap](p.Snapshot, namespace) {
		out = append(out, o.Name)
	}
	return out
}

// meant is the object that was probably meant: with another hash of kustomize's
// configMapGenerator behind its name, or with a slip of one or two letters.
func meant(p *analyzers.Pass, namespace string, u use) (string, bool) {
	all := names(p, u.kind, namespace)
	if base, ok := withoutHash(u.name); ok {
		for _, n := range all {
			if other, ok := withoutHash(n); ok && other == base || n == base {
				return n, true
			}
		}
	}
	return analyzers.Nearest(u.name, all)
}

// withoutHash cuts the suffix of kustomize: ten letters and digits without vowels
// (sigs.k8s.io/kustomize api/hasher: encode).
func withoutHash(name string) (string, bool) {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 || len(name)-i-1 != 10 || strings.Trim(name[i+1:], "bcdfghkmt2456789") != "" {
		return name, false
	}
	return name[:i], true
}

// elsewhere is another namespace with an object of this name.
func elsewhere(p *analyzers.Pass, namespace string, u use) (string, bool) {
	if u.kind == "Secret" {
		for o := range cluster.All[*cluster.Secret](p.Snapshot) {
			if o.Name == u.name && o.Namespace != namespace {
				return o.Namespace, true
			}
		}
		return "", false
	}
	for o := range cluster.All[*corev1.ConfigMap](p.Snapshot) {
		if o.Name == u.name && o.Namespace != namespace {
			return o.Namespace, true
		}
	}
	return "", false
}
