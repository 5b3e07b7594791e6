package rollouts

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// PodSecurity finds pods that the Pod Security level of their namespace refuses.
var PodSecurity = &analyzers.Analyzer{
	Name:  "rollouts/pod-security",
	Doc:   `Pod Security levels that keep pods from being created`,
	Needs: slices.Concat(refusalKinds, securityKinds),
	Emits: []analyzers.Code{podSecurity},
	Run:   reportCauses(securityCause),
}

var securityKinds = []schema.GroupKind{cluster.Namespaces}

const enforceLabel = "pod-security.kubernetes.io/enforce"

// securityWords are of k8s.io/pod-security-admission admission/admission.go and
// policy/checks.go: a list of reasons, each with its details in parentheses.
var securityWords = regexp.MustCompile(`^violates PodSecurity "([a-z]+):([^"]+)": (.*)$`)

func securityCause(p *analyzers.Pass, r refusal) *cause {
	m := securityWords.FindStringSubmatch(r.reason)
	if m == nil {
		return nil
	}
	level, reasons := m[1], topLevel(m[3])
	c := newCause(podSecurity, r)
	c.word = fmt.Sprintf("Pod Security level %s refuses them", level)
	c.Summary = analyzers.Line(fmt.Sprintf("Pod Security level %s of namespace %s refuses the pods: %s", level, r.namespace(), strings.Join(reasons, ", ")), 160)
	if ns, ok := cluster.Find[*corev1.Namespace](p.Snapshot, "", r.namespace()); ok {
		if have := ns.Labels[enforceLabel]; have != "" {
			c.Evidence = append(c.Evidence, analyzers.Evidence{Source: cluster.RefOf(ns).String(), Path: "metadata.labels", Quote: enforceLabel + "=" + have})
			c.gone = have == "privileged" // a level without a label may come from the API server's configuration
		}
	}
	if fix, ok := harden(p, r, reasons); ok {
		c.Fixes = append(c.Fixes, fix)
	} else {
		c.Fixes = append(c.Fixes, analyzers.Fix{Why: "Take out of the workload what the level forbids", Argv: p.Kubectl(r.namespace(), "edit", r.root.Short())})
	}
	c.Fixes = append(c.Fixes, analyzers.Fix{
		Why:  "Show the level of the namespace; a workload that needs more belongs in a namespace of its own",
		Argv: p.Kubectl("", "get", "namespace", r.namespace(), "--show-labels"),
	})
	return c
}

// topLevel takes the reasons out of "a (details, more), b (details)".
func topLevel(text string) []string {
	var out []string
	depth, start := 0, 0
	add := func(part string) {
		part, _, _ = strings.Cut(part, " (")
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	for i, r := range text {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			add(text[start:i])
			start = i + 1
		}
	}
	add(text[start:])
	return out
}

// hardening are the reasons of the restricted level that every program which does not
// need privileges meets with a few fields.
var hardening = []string{"allowPrivilegeEscalation != false", "unrestricted capabilities", "runAsNonRoot != true", "seccompProfile"}

// harden writes these fields for all containers. It is no patch to be tried: pods exist
// only once the controller has made them anew.
func harden(p *analyzers.Pass, r refusal, reasons []string) (analyzers.Fix, bool) {
	for _, reason := range reasons {
		if !slices.Contains(hardening, reason) {
			return analyzers.Fix{}, false
		}
	}
	context := map[string]any{"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []string{"ALL"}}}
	containers := func(list []corev1.Container) []map[string]any {
		var out []map[string]any
		for _, c := range list {
			out = append(out, map[string]any{"name": c.Name, "securityContext": context})
		}
		return out
	}
	t := r.template()
	spec := map[string]any{"securityContext": map[string]any{"runAsNonRoot": true, "seccompProfile": map[string]any{"type": "RuntimeDefault"}}, "containers": containers(t.Spec.Containers)}
	if len(t.Spec.InitContainers) > 0 {
		spec["initContainers"] = containers(t.Spec.InitContainers)
	}
	data, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": spec}}})
	if err != nil || len(t.Spec.Containers) == 0 || !patchable(r.root) {
		return analyzers.Fix{}, false
	}
	return analyzers.Fix{
		Why:  "Set what the level demands, if the image can run as a user other than root",
		Argv: p.Kubectl(r.namespace(), "patch", r.root.Short(), "--type", "strategic", "-p", string(data)),
	}, true
}

// patchable workloads have their pod template where a patch of spec.template finds it,
// and let it be changed.
func patchable(ref analyzers.Ref) bool {
	return ref.Kind == "Deployment" || ref.Kind == "StatefulSet" || ref.Kind == "DaemonSet" || ref.Kind == "ReplicaSet"
}
