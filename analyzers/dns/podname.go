package dns

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// PodName finds names of single pods, such as db-0.db, that stand for nothing although
// the Service exists.
var PodName = &analyzers.Analyzer{
	Name: "dns/pod-name",
	Doc: `names of single pods that cannot be resolved, and why

A pod has a name in the domain of a Service only if its subdomain is that Service, and,
unless the Service publishes pods that are not ready, only while it is ready. Members of a
StatefulSet that wait for each other before they become ready wait for ever.`,
	Needs: append(slices.Clone(lookupKinds), cluster.StatefulSets),
	Emits: []analyzers.Code{podName},
	Run: func(p *analyzers.Pass) error {
		for _, l := range lookups(p) {
			if _, around := detourOf(p.Snapshot, &l.pod.Spec); around || l.answer == cluster.NoAnswer {
				continue
			}
			if label, ok := podLabel(l); ok {
				reportPodName(p, l, label)
			}
		}
		return nil
	},
}

// podLabel is the first label of a name that stands for one pod of a Service that exists.
func podLabel(l lookup) (string, bool) {
	svc := l.dependsOn.Service
	labels := strings.Split(l.host, ".")
	if svc == nil || len(labels) < 2 || labels[1] != svc.Name {
		return "", false
	}
	// name.namespace of a Service that is called like its namespace
	if labels[0] == svc.Name && svc.Namespace == labels[1] {
		return "", false
	}
	return labels[0], true
}

func reportPodName(p *analyzers.Pass, l lookup, label string) {
	svc := l.dependsOn.Service
	set, ordinal, ok := member(p.Snapshot, svc.Namespace, label)
	if !ok {
		return // names by hostname and subdomain: too many ways to be right
	}
	replicas, start := int32(1), int32(0)
	if set.Spec.Replicas != nil {
		replicas = *set.Spec.Replicas
	}
	if set.Spec.Ordinals != nil {
		start = set.Spec.Ordinals.Start
	}
	setRef := cluster.RefOf(set)
	pod := l.dependsOn.Pod
	own := l.subject.Is(setRef)
	switch {
	case set.Spec.ServiceName != svc.Name && nameless(p.Snapshot, set):
		reportNameless(p, l, set)
	case set.Spec.ServiceName != svc.Name:
		right := label + "." + set.Spec.ServiceName
		f := l.finding(podName, fmt.Sprintf("%s asks for %s, and the pods of StatefulSet %s have names in %s: %s was meant", l.name(), l.host, set.Name, set.Spec.ServiceName, right),
			analyzers.Evidence{Source: setRef.String(), Path: "spec.serviceName", Quote: "serviceName: " + set.Spec.ServiceName})
		f.Fixes = renameOr(p, l, right+strings.TrimPrefix(l.host, label+"."+svc.Name))
		p.Report(f)
	case ordinal < start || ordinal >= start+replicas:
		f := l.finding(podName, fmt.Sprintf("%s asks for %s, and StatefulSet %s has only %s", l.name(), l.host, set.Name, span(set.Name, start, replicas)),
			analyzers.Evidence{Source: setRef.String(), Path: "spec.replicas", Quote: fmt.Sprintf("replicas: %d", replicas)})
		f.Fixes = []analyzers.Fix{{Why: fmt.Sprintf("Change %s where the program's settings name it, or scale StatefulSet %s up", l.host, set.Name), Argv: p.Kubectl(l.subject.Namespace, "edit", l.subject.Short())}}
		p.Report(f)
	case own && pod == nil && ordinal > ordinalOf(l.pod.Name) && set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement:
		f := l.finding(podName, fmt.Sprintf("A pod of StatefulSet %s waits for %s, which is created only once the pods before it are ready", set.Name, l.host),
			analyzers.Evidence{Source: setRef.String(), Path: "spec.podManagementPolicy", Quote: "podManagementPolicy: OrderedReady"})
		f.Subject = setRef
		f.Fixes = []analyzers.Fix{{Why: "Create it anew with podManagementPolicy: Parallel, which cannot be changed; this keeps pods and claims", Argv: p.Kubectl(set.Namespace, "delete", "statefulset", set.Name, "--cascade=orphan")}}
		p.Report(f)
	case own && pod != nil && pod.Name != l.pod.Name && !cluster.PodReady(pod) && !svc.Spec.PublishNotReadyAddresses:
		ref := cluster.RefOf(svc)
		data := json.RawMessage(`{"spec":{"publishNotReadyAddresses":true}}`)
		f := l.finding(podName, fmt.Sprintf("Pods of StatefulSet %s wait for each other: Service %s has no name for a pod that is not ready yet", set.Name, svc.Name),
			analyzers.Evidence{Source: ref.String(), Path: "spec.publishNotReadyAddresses", Quote: "publishNotReadyAddresses: false"},
			analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status.conditions[Ready]", Quote: "not True"})
		f.Subject, f.Part = ref, ""
		f.Fixes = []analyzers.Fix{{
			Why: "Give pods their names before they are ready", Argv: p.Kubectl(svc.Namespace, "patch", "service", svc.Name, "--type", "strategic", "-p", string(data)),
			Patch: &analyzers.Patch{Target: ref, Data: data},
		}}
		p.Report(f)
	}
}

// nameless reports whether the pods of a StatefulSet have no names in any Service: the one
// that it names does not exist.
func nameless(s *cluster.Snapshot, set *appsv1.StatefulSet) bool {
	_, exists := cluster.Find[*corev1.Service](s, set.Namespace, set.Spec.ServiceName)
	return !exists && s.Sees(cluster.Services, set.Namespace)
}

// reportNameless blames the StatefulSet: whatever its clients ask for, no pod of it has a
// name, and those ask in the Service that is there.
func reportNameless(p *analyzers.Pass, l lookup, set *appsv1.StatefulSet) {
	svc, ref := l.dependsOn.Service, cluster.RefOf(set)
	f := l.finding(podName, fmt.Sprintf("%s cannot be resolved: StatefulSet %s names Service %s, which does not exist, and not %s", l.host, set.Name, cmp.Or(set.Spec.ServiceName, `""`), svc.Name),
		analyzers.Evidence{Source: ref.String(), Path: "spec.serviceName", Quote: "serviceName: " + set.Spec.ServiceName})
	f.Subject, f.Part = ref, ""
	f.Fixes = []analyzers.Fix{{
		Why:  fmt.Sprintf("Create it anew with serviceName: %s, which cannot be changed, then restart its pods; this keeps claims and, until then, pods", svc.Name),
		Argv: p.Kubectl(set.Namespace, "delete", "statefulset", set.Name, "--cascade=orphan"),
	}}
	p.Report(f)
}

// member is the StatefulSet whose pod has this name.
func member(s *cluster.Snapshot, namespace, pod string) (*appsv1.StatefulSet, int32, bool) {
	i := strings.LastIndexByte(pod, '-')
	if i < 0 {
		return nil, 0, false
	}
	n, err := strconv.ParseInt(pod[i+1:], 10, 32)
	if err != nil {
		return nil, 0, false
	}
	set, ok := cluster.Find[*appsv1.StatefulSet](s, namespace, pod[:i])
	return set, int32(n), ok
}

// ordinalOf is the number at the end of a pod's name.
func ordinalOf(pod string) int32 {
	n, _ := strconv.ParseInt(pod[strings.LastIndexByte(pod, '-')+1:], 10, 32)
	return int32(n)
}

// span names the pods of a StatefulSet.
func span(name string, start, replicas int32) string {
	switch replicas {
	case 0:
		return "no pods"
	case 1:
		return fmt.Sprintf("%s-%d", name, start)
	}
	return fmt.Sprintf("%s-%d to %s-%d", name, start, name, start+replicas-1)
}

func renameOr(p *analyzers.Pass, l lookup, to string) []analyzers.Fix {
	if x, ok := settingOf(p.Snapshot, l); ok {
		return x.rename(p, l, to)
	}
	return edit(p, l, to)
}
