package images

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// StaleTag reports pods of one revision that run different builds: the tag was pushed
// again, and some nodes had the old build. That all pods run an old build cannot be seen
// from the cluster; only the registry knows.
var StaleTag = &analyzers.Analyzer{
	Name:  "images/stale-tag",
	Doc:   "pods of one revision that run different builds under one tag",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Nodes},
	Emits: []analyzers.Code{staleTag},
	Run: func(p *analyzers.Pass) error {
		first := map[build]running{}
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if !current(p, pod) || !cluster.PodReady(pod) {
				continue
			}
			for _, status := range pod.Status.ContainerStatuses {
				key, now, ok := newRunning(p, pod, status)
				if !ok {
					continue
				}
				have, seen := first[key]
				if !seen {
					first[key] = now
				} else if have.digest() != now.digest() {
					reportStale(p, key, have, now)
				}
			}
		}
		return nil
	},
}

// A build is what must be the same in all pods of one revision. Nodes of another
// platform or runtime may call the same build by another digest.
type build struct {
	root, container, image, revision, platform string
}

type running struct {
	pod *corev1.Pod
	id  string
}

func (r running) digest() string { return r.id[strings.LastIndexByte(r.id, '@')+1:] }

func newRunning(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus) (build, running, bool) {
	c, _, ok := cluster.Container(&pod.Spec, status.Name)
	revision := pod.Labels["pod-template-hash"] + pod.Labels["controller-revision-hash"]
	// An image that was loaded by hand has no digest of a registry.
	if !ok || revision == "" || status.State.Running == nil || strings.Contains(c.Image, "@") || !strings.Contains(status.ImageID, "@sha256:") {
		return build{}, running{}, false
	}
	node, ok := cluster.Find[*corev1.Node](p.Snapshot, "", pod.Spec.NodeName)
	if !ok {
		return build{}, running{}, false
	}
	info := node.Status.NodeInfo
	return build{p.Root(pod).String(), status.Name, c.Image, revision, platformOf(node) + info.ContainerRuntimeVersion}, running{pod, status.ImageID}, true
}

func reportStale(p *analyzers.Pass, key build, a, b running) {
	newest := a
	if b.pod.CreationTimestamp.After(a.pod.CreationTimestamp.Time) {
		newest = b
	}
	f := pull{pod: b.pod, container: key.container, image: key.image, code: staleTag}
	path := "status.containerStatuses[" + key.container + "].imageID"
	f.report(p, analyzers.Finding{
		Summary: sentence(sayf("Pods run different builds of %s: the tag was pushed again", short(key.image))),
		Evidence: []analyzers.Evidence{
			{Source: cluster.RefOf(a.pod).String(), Path: path, Quote: a.id, At: a.pod.CreationTimestamp.Time},
			{Source: cluster.RefOf(b.pod).String(), Path: path, Quote: b.id, At: b.pod.CreationTimestamp.Time},
		},
		Fixes: []analyzers.Fix{f.setImage(p, parse(key.image).familiar()+"@"+newest.digest(), "Pin all pods to the build that the newest one runs")},
	})
}
