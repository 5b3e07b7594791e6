package images

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unpulled reports failing pulls that no other check of this package explains, in the
// runtime's own words: a full disk of the node, a broken layer, a refused signature.
var Unpulled = &analyzers.Analyzer{
	Name:  "images/unpulled",
	Doc:   "pulls that fail for another reason, in the runtime's own words",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{failed},
	Run: func(p *analyzers.Pass) error {
		for f := range pullsWith(p, failed) {
			f.reportUnpulled(p)
		}
		return nil
	},
}

func (f *pull) reportUnpulled(p *analyzers.Pass) {
	finding := analyzers.Finding{
		Summary:  sentence(sayf("Image %s cannot be pulled", short(f.image)), ": "+plain(f.essence())),
		Evidence: f.evidence(),
		Fixes:    f.rollback(p, ""),
	}
	switch {
	case f.reason == "SignatureValidationFailed":
		finding.Summary = sentence(sayf("Image %s is refused by the node: its signature is not valid", short(f.image)))
	case f.reason == "ImageInspectError":
		finding.Summary = sentence(sayf("The runtime cannot inspect image %s on the node", short(f.image)))
	case strings.Contains(f.text, "no space left on device"):
		finding.Summary = sentence(sayf("Image %s does not fit on the node: no space left on device", short(f.image)))
		finding.CausedBy = []analyzers.Ref{{APIVersion: "v1", Kind: "Node", Name: f.pod.Spec.NodeName}}
		finding.Shared = sayf("Node %s has no space left for images", f.pod.Spec.NodeName)
	case f.text == "":
		finding.Summary = sentence(sayf("Image %s cannot be pulled (%s), and no message says why", short(f.image), f.reason))
	}
	if len(finding.Fixes) == 0 {
		finding.Fixes = []analyzers.Fix{{
			Why:  "Show the messages of the next attempt, which comes within 5 minutes",
			Argv: p.Kubectl(f.pod.Namespace, "describe", "pod", f.pod.Name),
		}}
	}
	f.report(p, finding)
}

// plain is a runtime's message as part of a sentence: its last part, which tells most.
func plain(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if i := strings.LastIndex(text, ": "); i >= 0 && len(text) > 60 {
		text = text[i+2:]
	}
	return strings.TrimRight(text, ".")
}

// templated are the kinds whose pod template can be patched.
var templated = map[string]bool{"Deployment": true, "StatefulSet": true, "DaemonSet": true, "ReplicaSet": true}
