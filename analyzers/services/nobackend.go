package services

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NoBackend finds Services whose selector matches no pod.
var NoBackend = &analyzers.Analyzer{
	Name: "services/no-backend",
	Doc: `Services whose selector matches no pod

A selector that misses the labels of one workload by a letter, a value or a key is
itself the fault. One that matches a workload without pods follows from that workload.
A workload that is scaled to zero, and a Job that is not running, are meant to have no
pods: their Services are left alone.`,
	Needs: append(slices.Clone(targetKinds), cluster.Services, cluster.Ingresses),
	Emits: []analyzers.Code{noEndpoints},
	Run:   noBackend,
}

const (
	// applyTime is what it takes until everything of one kubectl apply or helm install
	// is there: helm creates Services before workloads.
	applyTime = 30 * time.Second
	// createTime is what a controller may take to create the first pods.
	createTime = 60 * time.Second
	// sureScore is that of a slip of the pen with a workload that no other Service
	// selects: nothing that may still come changes it.
	sureScore = 4
)

func noBackend(p *analyzers.Pass) error {
	for svc := range cluster.Scoped[*corev1.Service](p.Snapshot) {
		if len(svc.Spec.Selector) == 0 || svc.Spec.Type == corev1.ServiceTypeExternalName || svc.DeletionTimestamp != nil {
			continue
		}
		if len(selected(p.Snapshot, svc)) > 0 || remoteBackends(svc) || !p.Sees(cluster.Pods, svc.Namespace) {
			continue
		}
		if leaving(p.Snapshot, svc) {
			continue
		}
		list := targets(p.Snapshot, svc.Namespace)
		if matched := slices.DeleteFunc(slices.Clone(list), func(t target) bool { return !matches(svc.Spec.Selector, t.labels) }); len(matched) > 0 {
			reportEmpty(p, svc, matched)
			continue
		}
		// What an operator selects by is its own affair: a standby's Service is empty
		// when there is no standby.
		if !operated(p.Snapshot, svc) {
			reportUnmatched(p, svc, list)
		}
	}
	return nil
}

// leaving reports whether pods of the Service are just being replaced or taken away.
func leaving(s *cluster.Snapshot, svc *corev1.Service) bool {
	return slices.ContainsFunc(s.PodsWith(svc.Namespace, svc.Spec.Selector), func(pod *corev1.Pod) bool {
		return pod.DeletionTimestamp != nil && s.Since(pod.DeletionTimestamp.Time) < createTime
	})
}

// reportEmpty is about a Service that matches workloads without pods.
func reportEmpty(p *analyzers.Pass, svc *corev1.Service, matched []target) {
	wanting := slices.DeleteFunc(slices.Clone(matched), func(t target) bool { return t.wants == 0 })
	if len(wanting) == 0 {
		reportSwitched(p, svc, matched)
		return
	}
	t := wanting[0]
	if p.Since(t.object.GetCreationTimestamp().Time) < createTime && !refused(p.Snapshot, t.object) {
		return
	}
	p.Report(analyzers.Finding{
		Code:    noEndpoints,
		Subject: cluster.RefOf(svc),
		Summary: fmt.Sprintf("%s %s, which selector %s matches, has no pods", t.ref.Kind, t.ref.Name, selectorText(svc)),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(svc).String(), Path: "spec.selector", Quote: "selector: " + selectorText(svc)},
			{Source: t.ref.String(), Path: "spec.replicas", Quote: fmt.Sprintf("replicas: %d", t.wants)},
		},
		CausedBy: []analyzers.Ref{t.ref},
		Fixes:    []analyzers.Fix{{Why: "Show why the workload has no pods", Argv: p.Kubectl(svc.Namespace, "describe", t.ref.Short())}},
	})
}

// reportSwitched is about a Service that was pointed at a workload scaled to zero while
// the running twin, which differs in one label, gets no traffic from any Service: the
// switch of a blue-green deployment came before the pods. A preview's Service that waits
// for its version is none: the other version has a Service of its own.
func reportSwitched(p *analyzers.Pass, svc *corev1.Service, empty []target) {
	if len(svc.Spec.Selector) < 2 {
		return
	}
	for _, t := range targets(p.Snapshot, svc.Namespace) {
		key, one := onlyDifference(svc.Spec.Selector, t.labels)
		if !one || t.wants == 0 || hasOtherService(p.Snapshot, svc, t) || !slices.ContainsFunc(p.PodsOf(t.object), cluster.PodReady) {
			continue
		}
		data, _ := json.Marshal(map[string]any{"spec": map[string]any{"selector": map[string]string{key: t.labels[key]}}})
		p.Report(analyzers.Finding{
			Code:    noEndpoints,
			Subject: cluster.RefOf(svc),
			Summary: fmt.Sprintf("Selector %s=%s leads to %s %s, which is scaled to 0, while %s runs and no Service leads to it", key, svc.Spec.Selector[key], empty[0].ref.Kind, empty[0].ref.Name, t.ref.Name),
			Evidence: []analyzers.Evidence{
				{Source: cluster.RefOf(svc).String(), Path: "spec.selector", Quote: "selector: " + selectorText(svc)},
				{Source: empty[0].ref.String(), Path: "spec.replicas", Quote: "replicas: 0"},
				{Source: t.ref.String(), Path: "spec.template.metadata.labels", Quote: key + ": " + t.labels[key]},
			},
			Fixes: []analyzers.Fix{
				{Why: "Lead the Service back to " + t.ref.Name, Argv: p.Kubectl(svc.Namespace, "patch", "service", svc.Name, "--type", "strategic", "-p", string(data)), Patch: &analyzers.Patch{Target: cluster.RefOf(svc), Data: data}},
				{Why: "Or start the pods that it leads to", Argv: p.Kubectl(svc.Namespace, "scale", empty[0].ref.Short(), fmt.Sprintf("--replicas=%d", t.wants))},
			},
		})
		return
	}
}

// onlyDifference returns the one key in which labels differ from a selector.
func onlyDifference(selector, labels map[string]string) (key string, one bool) {
	for k, v := range selector {
		have, ok := labels[k]
		if ok && have == v {
			continue
		}
		if !ok || key != "" {
			return "", false
		}
		key = k
	}
	return key, key != ""
}

// hasOtherService reports whether another Service leads to the pods of a workload.
func hasOtherService(s *cluster.Snapshot, svc *corev1.Service, t target) bool {
	for other := range cluster.In[*corev1.Service](s, svc.Namespace) {
		if other.Name != svc.Name && matches(other.Spec.Selector, t.labels) {
			return true
		}
	}
	return false
}

// refused reports whether the API server refuses to create the pods of a workload.
func refused(s *cluster.Snapshot, workload cluster.Object) bool {
	return slices.ContainsFunc(s.Owned(workload), replicaFailure) || replicaFailure(workload)
}

// reportUnmatched is about a Service that matches neither a pod nor a workload.
func reportUnmatched(p *analyzers.Pass, svc *corev1.Service, list []target) {
	if hiddenControlPlane(svc) {
		return
	}
	f := analyzers.Finding{
		Code:     noEndpoints,
		Subject:  cluster.RefOf(svc),
		Evidence: []analyzers.Evidence{{Source: cluster.RefOf(svc).String(), Path: "spec.selector", Quote: "selector: " + selectorText(svc)}},
	}
	if r, ok := electedRole(p.Snapshot, svc, list); ok {
		if r.standby {
			return
		}
		f.Summary = fmt.Sprintf("Selector wants %s, and no pod of %s %s has that label", r.asked, r.of.Kind, r.of.Name)
		f.Evidence = append(f.Evidence, r.evidence)
		f.CausedBy = []analyzers.Ref{r.of}
		f.Fixes = []analyzers.Fix{showLabels(p, svc)}
		p.Report(f)
		return
	}
	m, ok := nearest(p.Snapshot, svc, list)
	young := p.Since(svc.CreationTimestamp.Time) < applyTime && !svc.CreationTimestamp.IsZero()
	if ok && m.wants > 0 && (!young || m.score >= sureScore) {
		f.Summary = fmt.Sprintf("Selector %s matches no pod: %s %s", m.asks(), m.pods(), m.has())
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: m.ref.String(), Path: labelsPath(m.target), Quote: "labels: " + labels.FormatLabels(m.labels)})
		f.Fixes = []analyzers.Fix{m.fix(p, svc, list)}
		if f.Fixes[0].Patch != nil {
			f.Fixes = append(f.Fixes, showLabels(p, svc))
		}
		p.Report(f)
		return
	}
	if !seesWorkloads(p.Snapshot, svc.Namespace) || ok {
		return // what it selects may be there and scaled to zero
	}
	if other, ok := elsewhere(p.Snapshot, svc); ok {
		f.Summary = fmt.Sprintf("Selector %s matches no pod in namespace %s: %s has these labels", selectorText(svc), svc.Namespace, other.ref)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: other.ref.String(), Path: labelsPath(other), Quote: "labels: " + labels.FormatLabels(other.labels)})
		f.Fixes = exposeThere(p, svc, other)
		p.Report(f)
		return
	}
	f.Summary = fmt.Sprintf("Selector %s matches no pod, and no workload in namespace %s has these labels", selectorText(svc), svc.Namespace)
	// Nobody is known to use it: it may be left over from something that was removed.
	f.Severity = analyzers.Warning
	if user, ok := usedBy(p.Snapshot, svc, list); ok {
		f.Evidence = append(f.Evidence, user)
		if !young { // its workload may still be on the way
			f.Severity = analyzers.Error
		}
	}
	f.Fixes = []analyzers.Fix{showLabels(p, svc)}
	p.Report(f)
}

func selectorText(svc *corev1.Service) string { return labels.FormatLabels(svc.Spec.Selector) }

func labelsPath(t target) string {
	if _, ok := t.object.(*corev1.Pod); ok {
		return "metadata.labels"
	}
	return "spec.template.metadata.labels"
}

func seesWorkloads(s *cluster.Snapshot, namespace string) bool {
	return s.Sees(cluster.Deployments, namespace) && s.Sees(cluster.StatefulSets, namespace)
}

// hiddenControlPlane is true for the Services that monitoring stacks put in front of
// control plane programs. In a managed cluster those do not run as pods.
func hiddenControlPlane(svc *corev1.Service) bool {
	if svc.Namespace != "kube-system" {
		return false
	}
	for _, v := range svc.Spec.Selector {
		switch strings.TrimPrefix(v, "kube-") {
		case "apiserver", "controller-manager", "scheduler", "etcd", "proxy":
			return true
		}
	}
	return false
}
