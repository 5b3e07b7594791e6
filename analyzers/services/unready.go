package services

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unready finds Services that select pods of which none takes traffic.
var Unready = &analyzers.Analyzer{
	Name: "services/unready",
	Doc: `Services whose pods are all not ready

It follows from what keeps the pods from being ready. Pods that are just starting are
given the time that their probes allow; a Service with at least one ready pod serves, and
one that publishes pods that are not ready does not ask for it.`,
	Needs: []schema.GroupKind{cluster.Services, cluster.Pods},
	Emits: []analyzers.Code{endpointsUnready},
	Run:   unready,
}

func unready(p *analyzers.Pass) error {
	for svc := range cluster.Scoped[*corev1.Service](p.Snapshot) {
		if len(svc.Spec.Selector) == 0 || svc.Spec.Type == corev1.ServiceTypeExternalName || svc.DeletionTimestamp != nil {
			continue
		}
		if svc.Spec.PublishNotReadyAddresses || remoteBackends(svc) {
			continue
		}
		if pod, why, stage := worst(p.Snapshot, svc); stage >= cluster.Late {
			reportUnready(p, svc, pod, why, stage)
		}
	}
	return nil
}

// worst returns the selected pod that is the furthest beyond its time, or stage Ready
// when the Service has a ready pod or none at all.
func worst(s *cluster.Snapshot, svc *corev1.Service) (first *corev1.Pod, why string, stage cluster.Stage) {
	for _, pod := range s.PodsWith(svc.Namespace, svc.Spec.Selector) {
		switch {
		case cluster.PodReady(pod):
			return nil, "", cluster.Ready
		case cluster.PodFinished(pod):
			continue
		case pod.DeletionTimestamp != nil:
			// On a node that is gone a pod is being deleted for ever, and a StatefulSet
			// gets no other in its place.
			if st := cluster.Stuck; s.Since(pod.DeletionTimestamp.Time) > createTime && st > stage {
				first, why, stage = pod, "it is being deleted and does not end", st
			}
			continue
		}
		if st, w := s.Unready(pod); st > stage {
			first, why, stage = pod, w, st
		}
	}
	return first, why, stage
}

func reportUnready(p *analyzers.Pass, svc *corev1.Service, pod *corev1.Pod, why string, stage cluster.Stage) {
	root := p.Root(pod)
	whose := "None of its pods"
	if root.Kind != "Pod" {
		whose = fmt.Sprintf("No pod of %s %s", root.Kind, root.Name)
	}
	f := analyzers.Finding{
		Code:    endpointsUnready,
		Subject: cluster.RefOf(svc),
		Summary: fmt.Sprintf("%s is ready: %s", whose, why),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(svc).String(), Path: "spec.selector", Quote: "selector: " + selectorText(svc)},
		},
		CausedBy: []analyzers.Ref{root},
		Fixes: []analyzers.Fix{{
			Why:  "Show what keeps the pods from being ready",
			Argv: p.Kubectl(svc.Namespace, "describe", "pods", "-l", selectorText(svc)),
		}},
	}
	for _, r := range roots(p.Snapshot, p.PodsWith(svc.Namespace, svc.Spec.Selector)) {
		if r != root {
			f.CausedBy = append(f.CausedBy, r)
		}
	}
	if stage == cluster.Late {
		f.Severity = analyzers.Warning
	}
	if c := cluster.PodCondition(pod, corev1.PodReady); c != nil {
		f.Evidence = append([]analyzers.Evidence{{
			Source: cluster.RefOf(pod).String(), Path: "status.conditions[Ready]", Quote: fmt.Sprintf("Ready: %s (%s)", c.Status, strings.Trim(c.Reason+": "+c.Message, ": ")), At: c.LastTransitionTime.Time,
		}}, f.Evidence...)
	}
	p.Report(f)
}
