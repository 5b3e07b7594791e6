package config

import (
	"regexp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// MissingSource reports ConfigMaps and Secrets that the environment of a container takes
// and that do not exist. One that is optional may be missing.
var MissingSource = &analyzers.Analyzer{
	Name:  "config/missing-source",
	Doc:   "ConfigMaps and Secrets of the environment that do not exist",
	Needs: []schema.GroupKind{cluster.Pods, cluster.ConfigMaps, cluster.Secrets, cluster.Deployments},
	Emits: []analyzers.Code{missingSource},
	Run: func(p *analyzers.Pass) error {
		for pod := range subjects(p) {
			done := map[analyzers.Ref]bool{}
			for _, u := range environment(&pod.Spec) {
				if ref := u.ref(pod.Namespace); !u.optional && !done[ref] && reportSource(p, pod, u) {
					done[ref] = true
				}
			}
		}
		for o, spec := range unborn(p) {
			done := map[analyzers.Ref]bool{}
			for _, u := range environment(spec) {
				if ref := u.ref(o.GetNamespace()); !u.optional && !done[ref] && absent(p, ref) {
					done[ref] = true
					p.Report(lacking(p, o, spec, u, missingSource, risk, nil))
				}
			}
		}
		return nil
	},
}

// notFound is how the kubelet's watch of the object fails (k8s.io/kubernetes
// pkg/kubelet/util/manager/watch_based_manager.go: apierrors.NewNotFound).
var notFound = regexp.MustCompile(`(configmap|secret) "([^"]+)" not found`)

func reportSource(p *analyzers.Pass, pod *corev1.Pod, u use) bool {
	ref := u.ref(pod.Namespace)
	var proof []analyzers.Evidence
	said := false
	if w, ok := waiting(pod, u.container); ok {
		if m := notFound.FindStringSubmatch(w.Message); m != nil && m[1] == lower(u.kind) && m[2] == u.name {
			said = true
			proof = append(proof, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: statusPath(pod, u.container) + ".state.waiting.message", Quote: analyzers.Quote(w.Message)})
		}
	}
	// What the kubelet said is out of date when the object is there now: it tries again
	// within a minute or two.
	if seen := p.Sees(ref.GroupKind(), pod.Namespace); seen && !absent(p, ref) || !seen && !said {
		return false
	}
	at := containerStage(p, pod, u.container)
	if at == harmless {
		return false
	}
	severity := missingSource.Severity
	if at == risk {
		severity = analyzers.Warning
	}
	if p.Again(missingSource, severity, p.Root(pod), u.kind+"/"+u.name, cluster.RefOf(pod)) {
		return true
	}
	f := lacking(p, pod, &pod.Spec, u, missingSource, at, proof)
	if at == risk && runs(pod, u.container) {
		f.Summary = sentence(u.kind+" "+u.name+" does not exist any more", "; container "+u.container+" runs on, but cannot be started again")
	}
	f.Affected = []analyzers.Ref{cluster.RefOf(pod)}
	p.Report(f)
	return true
}

// absent reports whether an object is known not to exist.
func absent(p *analyzers.Pass, ref analyzers.Ref) bool {
	if !p.Sees(ref.GroupKind(), ref.Namespace) {
		return false
	}
	_, exists := p.Get(ref)
	return !exists
}

// lacking is the finding that an object is missing.
func lacking(p *analyzers.Pass, subject cluster.Object, spec *corev1.PodSpec, u use, code analyzers.Code, at stage, proof []analyzers.Evidence) analyzers.Finding {
	namespace := subject.GetNamespace()
	ref := u.ref(namespace)
	f := analyzers.Finding{
		Code: code, Subject: p.Root(subject), Part: u.kind + "/" + u.name,
		CausedBy: []analyzers.Ref{ref}, Shared: ref.String() + " does not exist",
		Evidence: append(proof, analyzers.Evidence{Source: cluster.RefOf(subject).String(), Path: u.path, Quote: u.field() + ": " + u.name}),
	}
	if at == risk {
		f.Severity = analyzers.Warning
	}
	hint := ""
	if near, ok := meant(p, namespace, u); ok {
		hint = "; " + near + " was probably meant"
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: u.ref(namespace).Kind + " " + namespace + "/" + near, Path: "metadata.name", Quote: "name: " + near})
		f.Fixes = replace(p, subject, u, func(u use) string { return u.nameAt }, near, "Use "+u.kind+" "+near+", which was probably meant")
	} else if other, ok := elsewhere(p, namespace, u); ok {
		hint = "; namespace " + other + " has one of this name"
	}
	f.Summary = sentence(u.kind+" "+u.name+" does not exist", ", but "+u.what(), hint)
	f.Fixes = append(f.Fixes, generated(p, namespace, u)...)
	f.Fixes = append(f.Fixes, create(p, namespace, spec, u))
	f.Fixes = append(f.Fixes, rollback(p, subject, u)...)
	f.Fixes = f.Fixes[:min(len(f.Fixes), 3)]
	return f
}

func runs(pod *corev1.Pod, container string) bool {
	for _, status := range cluster.ContainerStatuses(pod) {
		if status.Name == container {
			return status.State.Running != nil
		}
	}
	return false
}

func statusPath(pod *corev1.Pod, container string) string {
	if _, init, _ := cluster.Container(&pod.Spec, container); init {
		return "status.initContainerStatuses[" + container + "]"
	}
	return "status.containerStatuses[" + container + "]"
}
