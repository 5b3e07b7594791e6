package images

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NotLoaded reports images that were meant to be on the node already: imagePullPolicy
// Never, or a local name on a cluster on somebody's own machine.
var NotLoaded = &analyzers.Analyzer{
	Name:  "images/not-loaded",
	Doc:   "local images that were never loaded into the node's runtime",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{notLoaded},
	Run: func(p *analyzers.Pass) error {
		for f := range pullsWith(p, notLoaded) {
			f.reportNotLoaded(p)
		}
		return nil
	},
}

func (f *pull) reportNotLoaded(p *analyzers.Pass) {
	finding := analyzers.Finding{
		Summary:  sentence(sayf("Image %s is not on the node, and imagePullPolicy is Never", short(f.image))),
		Evidence: f.evidence(analyzers.Evidence{Source: cluster.RefOf(f.pod).String(), Path: strings.Replace(f.path, ".image", ".imagePullPolicy", 1), Quote: "imagePullPolicy: " + string(f.policy)}),
	}
	load := analyzers.Fix{Why: "Load the image from your machine into the cluster's nodes", Argv: loadCommand(p, f)}
	if load.Argv == nil {
		load.Why = "Load the image on node " + f.pod.Spec.NodeName + ", from an archive that docker save wrote"
		load.Argv = []string{"ctr", "-n", "k8s.io", "images", "import", parse(f.image).name() + ".tar"}
	}
	finding.Fixes = append(finding.Fixes, load)
	root := p.Root(f.pod)
	if f.reason != "ErrImageNeverPull" {
		finding.Summary = sentence(sayf("Image %s is not on the node, and Docker Hub has none of that name", short(f.image)))
	} else if templated[root.Kind] && strings.HasPrefix(f.path, "spec.containers") {
		patch := sayf(`{"spec":{"template":{"spec":{"containers":[{"name":%q,"imagePullPolicy":"IfNotPresent"}]}}}}`, f.container)
		finding.Fixes = append(finding.Fixes, analyzers.Fix{
			Why:  "Let the node pull the image, if " + parse(f.image).registry() + " has it",
			Argv: p.Kubectl(root.Namespace, "patch", root.Short(), "--type", "strategic", "-p", patch),
		})
	}
	finding.Fixes = append(finding.Fixes, f.rollback(p, "")...)
	finding.Fixes = finding.Fixes[:min(len(finding.Fixes), 3)]
	f.report(p, finding)
}

// The nodes of clusters on one's own machine, by the names that their tools give.
var (
	kindNode     = regexp.MustCompile(`^kind-(?:control-plane|worker)\d*$`)
	k3dNode      = regexp.MustCompile(`^k3d-(.+)-(?:server|agent)-\d+$`)
	minikubeNode = regexp.MustCompile(`^minikube(?:-m\d+)?$`)
)

// loadCommand brings an image into the nodes of a cluster that kind, minikube or k3d
// made; nil for others.
func loadCommand(p *analyzers.Pass, f *pull) []string {
	context, node := p.Info().Context, f.pod.Spec.NodeName
	name, isKind := strings.CutPrefix(context, "kind-")
	switch {
	case isKind:
		return []string{"kind", "load", "docker-image", f.image, "--name", name}
	case kindNode.MatchString(node):
		return []string{"kind", "load", "docker-image", f.image}
	case minikubeNode.MatchString(node):
		return []string{"minikube", "image", "load", f.image}
	}
	if m := k3dNode.FindStringSubmatch(node); m != nil {
		return []string{"k3d", "image", "import", f.image, "--cluster", m[1]}
	}
	return nil
}
