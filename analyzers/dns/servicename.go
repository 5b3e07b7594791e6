package dns

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// lookupKinds are what it takes to judge a name.
var lookupKinds = []schema.GroupKind{cluster.Pods, cluster.Events, cluster.Services}

// ServiceName finds programs that ask for a Service by a name that does not exist.
var ServiceName = &analyzers.Analyzer{
	Name: "dns/service-name",
	Doc: `programs that cannot work because they ask for a Service that is not there

Says which Service was probably meant: one of nearly the same name, one in another
namespace, or the right one under the domain of another cluster.`,
	Needs: append(slices.Clone(lookupKinds), cluster.EndpointSlices, cluster.Namespaces, cluster.ConfigMaps),
	Emits: []analyzers.Code{nameWrong},
	Run: func(p *analyzers.Pass) error {
		for _, l := range lookups(p) {
			if _, around := detourOf(p.Snapshot, &l.pod.Spec); around || unanswered(p.Snapshot, l) {
				continue
			}
			if w, ok := wrongName(p.Snapshot, l); ok {
				w.report(p)
			}
		}
		return nil
	},
}

// unanswered reports whether a look-up says more about the server than about the name.
func unanswered(s *cluster.Snapshot, l lookup) bool {
	if l.answer == cluster.NoAnswer {
		return true
	}
	_, down := s.NamesDown()
	return down && l.answer != cluster.NoSuchName
}

// A wrong name stands for nothing.
type wrong struct {
	lookup
	missing analyzers.Ref   // the Service that the name stands for
	what    string          // what is wrong with the name
	near    *corev1.Service // that was probably meant, nil if nothing is near
	to      string          // the name to ask for
}

// wrongName judges a name that could not be resolved; ok is false when nothing is known
// to be wrong with it: a host elsewhere, a Service that is there.
func wrongName(s *cluster.Snapshot, l lookup) (wrong, bool) {
	w := wrong{lookup: l, missing: l.dependsOn.Missing}
	switch {
	case l.dependsOn.Pod != nil:
		return w, false // the name of one pod: package services and PodName
	case !w.missing.IsZero():
		if !namespaceExists(s, w.missing.Namespace) {
			return w.inNoNamespace(s)
		}
		w.meant(s)
		w.what = fmt.Sprintf("namespace %s has no Service %s", w.missing.Namespace, w.missing.Name)
		return w, true
	case l.dependsOn.Service != nil:
		return w.ofOtherDomain(s)
	}
	return w.inNoNamespace(s)
}

// meant finds the Service that was meant.
func (w *wrong) meant(s *cluster.Snapshot) {
	var here []string
	var elsewhere []*corev1.Service
	for svc := range cluster.All[*corev1.Service](s) {
		switch {
		case svc.Namespace == w.missing.Namespace:
			here = append(here, svc.Name)
		case svc.Name == w.missing.Name:
			elsewhere = append(elsewhere, svc)
		}
	}
	if len(elsewhere) == 1 {
		w.near = elsewhere[0]
	} else if near, ok := analyzers.Nearest(w.missing.Name, here); ok {
		w.near, _ = cluster.Find[*corev1.Service](s, w.missing.Namespace, near)
	}
	w.setTo()
}

// setTo writes the right name in the form of the wrong one.
func (w *wrong) setTo() {
	if w.near == nil {
		return
	}
	labels := strings.Split(w.host, ".")
	switch {
	case len(labels) > 2:
		w.to = strings.Join(append([]string{w.near.Name, w.near.Namespace}, labels[2:]...), ".")
	case len(labels) == 2 || w.near.Namespace != w.pod.Namespace:
		w.to = w.near.Name + "." + w.near.Namespace
	default:
		w.to = w.near.Name
	}
}

// inNoNamespace is about name.namespace[.svc…] with a namespace that does not exist.
func (w wrong) inNoNamespace(s *cluster.Snapshot) (wrong, bool) {
	labels := strings.Split(w.host, ".")
	svc := slices.Index(labels, "svc") == 2
	if len(labels) != 2 && !svc || !s.Sees(cluster.Namespaces, "") || namespaceExists(s, labels[1]) {
		return w, false
	}
	var names []string
	for ns := range cluster.All[*corev1.Namespace](s) {
		if _, ok := cluster.Find[*corev1.Service](s, ns.Name, labels[0]); ok {
			names = append(names, ns.Name)
		}
	}
	// Without "svc" it may be any domain: only one that is nearly a namespace is meant so.
	near, ok := analyzers.Nearest(labels[1], names)
	if !ok && svc && len(names) == 1 {
		near, ok = names[0], true
	}
	if !ok && !svc {
		return w, false
	}
	if ok {
		w.near, _ = cluster.Find[*corev1.Service](s, near, labels[0])
	}
	w.missing = analyzers.Ref{APIVersion: "v1", Kind: "Service", Namespace: labels[1], Name: labels[0]}
	w.what = fmt.Sprintf("there is no namespace %s", labels[1])
	w.setTo()
	return w, true
}

// ofOtherDomain is about a Service that exists, asked for in a domain that is not the
// cluster's. A headless Service without ready pods has no address either, and that is
// not the name's fault.
func (w wrong) ofOtherDomain(s *cluster.Snapshot) (wrong, bool) {
	svc := w.dependsOn.Service
	name, domain, ok := strings.Cut(w.host, ".svc.")
	// Names of clusterset.local are those of Services of several clusters.
	if !ok || w.answer == cluster.LookupFailed || domain == "clusterset.local" || svc.CreationTimestamp.After(w.at) && !w.at.IsZero() {
		return w, false
	}
	zones := zones(s)
	switch {
	case slices.Contains(zones, domain):
		return w, false
	case len(zones) > 0:
		w.near, w.to = svc, name+".svc."+zones[0]
		w.what = fmt.Sprintf("the domain of this cluster is %s", zones[0])
		return w, true
	case domain == "cluster.local" || svc.Spec.ClusterIP == corev1.ClusterIPNone || svc.Spec.Type == corev1.ServiceTypeExternalName:
		return w, false
	}
	// The server has answered, the Service has an address: only the domain is left.
	w.near, w.to = svc, name+".svc"
	w.what = fmt.Sprintf("Service %s is not in a domain %s", svc.Name, domain)
	return w, true
}

func namespaceExists(s *cluster.Snapshot, name string) bool {
	return !s.Sees(cluster.Namespaces, "") || s.HasNamespace(name)
}

func (w wrong) report(p *analyzers.Pass) {
	summary := fmt.Sprintf("%s asks for %s, and %s", w.name(), w.host, w.what)
	if w.near != nil {
		summary += fmt.Sprintf(": %s was probably meant", w.to)
	}
	f := w.finding(nameWrong, summary)
	if x, ok := settingOf(p.Snapshot, w.lookup); ok {
		f.Evidence = append(f.Evidence, x.evidence(w.host))
		if w.near != nil {
			f.Fixes = x.rename(p, w.lookup, w.to)
		}
	} else if w.near != nil {
		f.Fixes = edit(p, w.lookup, w.to)
	}
	if w.near != nil {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(w.near).String(), Path: "metadata.name", Quote: "exists"})
	}
	if !w.missing.IsZero() {
		f.CausedBy = []analyzers.Ref{w.missing}
		f.Shared = fmt.Sprintf("Service %s does not exist in namespace %s", w.missing.Name, w.missing.Namespace)
	}
	if ns, ok := cluster.Find[*corev1.Namespace](p.Snapshot, "", w.missing.Namespace); ok && ns.DeletionTimestamp != nil && w.near == nil {
		f.Summary = fmt.Sprintf("%s asks for %s, and namespace %s, which is being deleted, has no Service %s any more", w.name(), w.host, ns.Name, w.missing.Name)
		f.CausedBy, f.Shared = append([]analyzers.Ref{cluster.RefOf(ns)}, f.CausedBy...), fmt.Sprintf("Namespace %s is being deleted", ns.Name)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(ns).String(), Path: "metadata.deletionTimestamp", Quote: "being deleted", At: ns.DeletionTimestamp.Time})
		f.Fixes = []analyzers.Fix{{Why: "Show how far the deletion is, and what holds it; a Service created there is refused", Argv: p.Kubectl("", "describe", "namespace", ns.Name)}}
	}
	if len(f.Fixes) == 0 && !w.missing.IsZero() {
		f.Fixes = []analyzers.Fix{{Why: "List the Services that exist, to create the missing one or name the right one", Argv: p.Kubectl("", "get", "services", "--all-namespaces")}}
	}
	p.Report(f)
}
