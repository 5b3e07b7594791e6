package images

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Platform reports images that exist, and not for the node's operating system and CPU.
// An image of one platform alone is pulled anywhere and ends in an exec format error.
var Platform = &analyzers.Analyzer{
	Name:  "images/platform",
	Doc:   "images without a variant for the platform of the node",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events, cluster.Nodes},
	Emits: []analyzers.Code{noPlatform},
	Run: func(p *analyzers.Pass) error {
		for f := range pullsWith(p, noPlatform) {
			f.reportPlatform(p)
		}
		return nil
	},
}

// wanted is how Docker and CRI-O name the platform that they looked for.
var wanted = regexp.MustCompile(`(?:no matching manifest for |for architecture "?)([a-z0-9/]+)`)

func (f *pull) reportPlatform(p *analyzers.Pass) {
	node, _ := cluster.Find[*corev1.Node](p.Snapshot, "", f.pod.Spec.NodeName)
	platform := platformOf(node)
	var proof []analyzers.Evidence
	if platform != "" {
		proof = append(proof, analyzers.Evidence{Source: cluster.RefOf(node).String(), Path: "status.nodeInfo.architecture", Quote: node.Status.NodeInfo.Architecture})
	} else if m := wanted.FindStringSubmatch(f.text); m != nil {
		platform = m[1]
	} else {
		platform = "the platform of its node"
	}
	finding := analyzers.Finding{
		Summary:  sentence(sayf("Image %s has no variant for %s", short(f.image), platform)),
		Evidence: f.evidence(proof...),
	}
	if arch := f.archWithImage(p); arch != "" {
		root := p.Root(f.pod)
		patch := sayf(`{"spec":{"template":{"spec":{"nodeSelector":{%q:%q}}}}}`, corev1.LabelArchStable, arch)
		finding.Fixes = append(finding.Fixes, analyzers.Fix{
			Why:  "Keep the pods on " + arch + " nodes, where this image runs",
			Argv: p.Kubectl(root.Namespace, "patch", root.Short(), "--type", "strategic", "-p", patch),
		})
	}
	finding.Fixes = append(finding.Fixes, f.rollback(p, "")...)
	if strings.Contains(platform, "/") {
		finding.Fixes = append(finding.Fixes, analyzers.Fix{
			Why:  "Build the image for the node's platform too, where its Dockerfile is",
			Argv: []string{"docker", "buildx", "build", "--platform", platforms(p, platform), "--tag", f.image, "--push", "."},
		})
	}
	finding.Fixes = finding.Fixes[:min(len(finding.Fixes), 3)]
	f.report(p, finding)
}

func platformOf(node *corev1.Node) string {
	if node == nil || node.Status.NodeInfo.Architecture == "" {
		return ""
	}
	os := node.Status.NodeInfo.OperatingSystem
	if os == "" {
		os = "linux"
	}
	return os + "/" + node.Status.NodeInfo.Architecture
}

// platforms are those of all nodes and the usual two, as buildx takes them: a build for
// one alone would take the others away from under the tag.
func platforms(p *analyzers.Pass, first string) string {
	out := []string{first}
	for _, usual := range []string{"linux/amd64", "linux/arm64"} {
		if !slices.Contains(out, usual) {
			out = append(out, usual)
		}
	}
	for node := range cluster.All[*corev1.Node](p.Snapshot) {
		if platform := platformOf(node); platform != "" && !slices.Contains(out, platform) {
			out = append(out, platform)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// archWithImage is the architecture of a node on which a container with this image was
// started, for workloads that can be told to stay there.
func (f *pull) archWithImage(p *analyzers.Pass) string {
	if kind := p.Root(f.pod).Kind; kind != "Deployment" && kind != "StatefulSet" && kind != "DaemonSet" {
		return ""
	}
	own, _ := cluster.Find[*corev1.Node](p.Snapshot, "", f.pod.Spec.NodeName)
	for pod := range cluster.All[*corev1.Pod](p.Snapshot) {
		node, ok := cluster.Find[*corev1.Node](p.Snapshot, "", pod.Spec.NodeName)
		if !ok || own == nil || node.Status.NodeInfo.Architecture == own.Status.NodeInfo.Architecture {
			continue
		}
		for _, status := range cluster.ContainerStatuses(pod) {
			c, _, ok := cluster.Container(&pod.Spec, status.Name)
			if ok && c.Image == f.image && status.ImageID != "" {
				return node.Status.NodeInfo.Architecture
			}
		}
	}
	return ""
}
