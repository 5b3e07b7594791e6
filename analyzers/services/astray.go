package services

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// astray reports workloads that the selector takes and that do not listen on the port,
// beside one that names it: connections fail by turns. Each pod of such a workload is
// ready, so that it is sent traffic, and is known to listen elsewhere.
func astray(p *analyzers.Pass, svc *corev1.Service, i int, pods []*corev1.Pod, n int, word *regexp.Regexp) {
	var keep, stray []*corev1.Pod
	var found *verdict
	named := false
	for _, root := range roots(p.Snapshot, pods) {
		of := slices.DeleteFunc(slices.Clone(pods), func(pod *corev1.Pod) bool { return p.Root(pod) != root })
		if slices.ContainsFunc(of, func(pod *corev1.Pod) bool { return mentions(pod, n, word) }) {
			named = true
		} else if v := elsewhereOnly(p.Snapshot, svc, of, n); v != nil {
			stray = append(stray, of...)
			if found == nil || v.severity.AtLeast(found.severity) {
				found = v
			}
			continue
		}
		keep = append(keep, of...)
	}
	if !named || found == nil {
		return // nothing tells that the number is right for any of them
	}
	f := analyzers.Finding{
		Code:     portMismatch,
		Severity: found.severity,
		Subject:  cluster.RefOf(svc),
		Part:     part(svc, i),
		Summary:  fmt.Sprintf("Its selector also takes %s, which %s, not on %d", workloads(p, stray), found.why, n),
		Evidence: []analyzers.Evidence{
			found.evidence,
			{Source: cluster.RefOf(svc).String(), Path: fmt.Sprintf("spec.ports[%d].targetPort", i), Quote: fmt.Sprintf("targetPort: %d", n)},
			{Source: cluster.RefOf(svc).String(), Path: "spec.selector", Quote: "selector: " + selectorText(svc)},
		},
	}
	f.Fixes = []analyzers.Fix{narrow(p, svc, keep, stray)}
	p.Report(f)
}

// elsewhereOnly is what shows that no pod of a workload listens on n. A port that is by
// its name for the operators may be one of two, of which the other is not declared: that
// is a warning, even where a probe of it succeeds.
func elsewhereOnly(s *cluster.Snapshot, svc *corev1.Service, pods []*corev1.Pod, n int) *verdict {
	var found *verdict
	for _, pod := range pods {
		if !cluster.PodReady(pod) {
			return nil
		}
		v := doubt(s, svc, pod, n)
		if containers := serving(&pod.Spec); v == nil {
			declared, ok := declaredPorts(containers)
			if heard := loggedPort(s, pod, containers, n); !ok || heard != nil || served(svc, pod, declared) {
				return nil
			}
			if v = probedPort(pod, containers, declared); v == nil {
				return nil
			}
			v.severity = analyzers.Warning
		} else if !v.severity.AtLeast(analyzers.Error) {
			return nil
		}
		if found == nil || found.severity.AtLeast(v.severity) {
			found = v
		}
	}
	return found
}

// narrow adds to the selector a label that the pods that are meant have in common and
// the others do not carry.
func narrow(p *analyzers.Pass, svc *corev1.Service, keep, stray []*corev1.Pod) analyzers.Fix {
	var keys []string
	for _, k := range sorted(keep[0].Labels) {
		carries := func(pod *corev1.Pod) bool { v, ok := pod.Labels[k]; return ok && v == keep[0].Labels[k] }
		if !generated[k] && !slices.ContainsFunc(keep, func(pod *corev1.Pod) bool { return !carries(pod) }) && !slices.ContainsFunc(stray, carries) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return showLabels(p, svc)
	}
	key := keys[max(slices.IndexFunc(keys, func(k string) bool { return identityKeys[k] }), 0)]
	data, err := json.Marshal(map[string]any{"spec": map[string]any{"selector": map[string]any{key: keep[0].Labels[key]}}})
	if err != nil {
		return showLabels(p, svc)
	}
	return analyzers.Fix{
		Why:   fmt.Sprintf("Make the selector take only %s", workloads(p, keep)),
		Argv:  p.Kubectl(svc.Namespace, "patch", "service", svc.Name, "--type", "strategic", "-p", string(data)),
		Patch: &analyzers.Patch{Target: cluster.RefOf(svc), Data: data},
	}
}

// generated are labels that controllers give to pods.
var generated = map[string]bool{
	"pod-template-hash": true, "controller-revision-hash": true, "pod-template-generation": true,
	"statefulset.kubernetes.io/pod-name": true, "apps.kubernetes.io/pod-index": true,
	"batch.kubernetes.io/job-name": true, "batch.kubernetes.io/controller-uid": true, "job-name": true, "controller-uid": true,
}
