package config

import (
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// MissingVolumeSource reports volumes that are made of a ConfigMap or Secret which does
// not exist or lacks a key that the volume names. The pod stays in ContainerCreating. A
// volume that is optional, or that no container mounts, may name anything.
var MissingVolumeSource = &analyzers.Analyzer{
	Name:  "config/missing-volume-source",
	Doc:   "ConfigMaps and Secrets of volumes that do not exist or lack a key",
	Needs: []schema.GroupKind{cluster.Pods, cluster.ConfigMaps, cluster.Secrets, cluster.Events, cluster.Deployments},
	Emits: []analyzers.Code{missingVolume},
	Run: func(p *analyzers.Pass) error {
		for pod := range subjects(p) {
			at := podStage(p, pod)
			if at == harmless {
				continue
			}
			done := map[string]bool{}
			for _, u := range volumes(&pod.Spec) {
				if u.optional || done[u.part()] || at == risk && slices.Contains(published, u.name) {
					continue
				}
				severity := missingVolume.Severity
				if at == risk {
					severity = analyzers.Warning
				}
				if u.key == "" && absent(p, u.ref(pod.Namespace)) && p.Again(missingVolume, severity, p.Root(pod), u.kind+"/"+u.name, cluster.RefOf(pod)) {
					done[u.part()] = true
					continue
				}
				if f, ok := volumeFault(p, pod, &pod.Spec, u, at); ok {
					done[u.part()] = true
					f.Affected = []analyzers.Ref{cluster.RefOf(pod)}
					p.Report(f)
				}
			}
		}
		for o, spec := range unborn(p) {
			for _, u := range volumes(spec) {
				if u.optional || slices.Contains(published, u.name) {
					continue
				}
				if f, ok := volumeFault(p, o, spec, u, risk); ok {
					p.Report(f)
				}
			}
		}
		return nil
	},
}

// published are ConfigMaps that a controller writes into every namespace. Where a
// Snapshot was cut down they are left out; only a pod that waits for them misses them.
var published = []string{"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert", "linkerd-identity-trust-roots"}

// volumeFault decides on one use: by the object, or where it cannot be seen by the last
// FailedMount event of a pod that still waits.
func volumeFault(p *analyzers.Pass, subject cluster.Object, spec *corev1.PodSpec, u use, at stage) (analyzers.Finding, bool) {
	namespace := subject.GetNamespace()
	ref := u.ref(namespace)
	pod, _ := subject.(*corev1.Pod)
	proof, noObject, noKey := mountEvent(p, pod, u, at)
	if absent(p, ref) || noObject && !p.Sees(ref.GroupKind(), namespace) {
		if u.key != "" {
			return analyzers.Finding{}, false // the use without a key tells
		}
		f := lacking(p, subject, spec, u, missingVolume, at, proof)
		if at == risk && pod != nil && mountedAll(pod) {
			f.Summary = sentence(u.kind+" "+u.name+" does not exist any more", "; volume "+u.volume+" of running pods is made of it, and new pods cannot start")
		}
		return f, true
	}
	if u.key == "" {
		return analyzers.Finding{}, false
	}
	keys, known := keysOf(p, namespace, u)
	if known && slices.Contains(keys, u.key) || !known && !noKey {
		return analyzers.Finding{}, false
	}
	f := lackingKey(p, subject, u, keys, proof)
	f.Code = missingVolume
	if at == risk {
		f.Severity = analyzers.Warning
	}
	return f, true
}

// noItem is the kubelet's word about a key that items name (k8s.io/kubernetes
// pkg/volume/configmap/configmap.go and pkg/volume/secret/secret.go, MakePayload).
var noItem = regexp.MustCompile(`references non-existent (?:config|secret) key: ([^\s,\]]+)`)

// retried is longer than the kubelet's longest pause between two tries to mount
// (k8s.io/kubernetes pkg/util/goroutinemap/exponentialbackoff: 2 min 2 s).
const retried = 5 * time.Minute

// mountEvent is what the newest event about the volume says of the use. It explains a
// pod that still waits; of one that runs it is history.
func mountEvent(p *analyzers.Pass, pod *corev1.Pod, u use, at stage) (proof []analyzers.Evidence, noObject, noKey bool) {
	if pod == nil || at != blocked {
		return nil, false, false
	}
	ev, ok := p.LastEvent(pod, func(ev *corev1.Event) bool { return volumeOf(ev.Message) == u.volume }, "FailedMount")
	if !ok || p.Since(cluster.EventTime(ev)) > retried {
		return nil, false, false
	}
	for _, m := range notFound.FindAllStringSubmatch(ev.Message, -1) {
		noObject = noObject || m[1] == lower(u.kind) && m[2] == u.name
	}
	for _, m := range noItem.FindAllStringSubmatch(ev.Message, -1) {
		noKey = noKey || m[1] == u.key
	}
	if !noObject && !noKey {
		return nil, false, false
	}
	return []analyzers.Evidence{{Source: "Event on " + cluster.RefOf(pod).String(), Path: ev.Reason, Quote: analyzers.Quote(ev.Message), At: cluster.EventTime(ev)}}, noObject, noKey
}

// setUpFailed is how the event names its volume (k8s.io/kubernetes
// pkg/volume/util/operationexecutor/operation_executor.go, generateVolumeMsg).
var setUpFailed = regexp.MustCompile(`^MountVolume\.SetUp failed for volume "([^"]+)"`)

func volumeOf(message string) string {
	if m := setUpFailed.FindStringSubmatch(message); m != nil {
		return m[1]
	}
	return ""
}
