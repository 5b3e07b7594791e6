package sandbox

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
)

// SandboxImage finds nodes whose runtime cannot get the image of the sandbox itself.
var SandboxImage = &analyzers.Analyzer{
	Name:  "sandbox/image",
	Doc:   "nodes whose runtime cannot pull the image of the pod sandbox (pause)",
	Needs: slices.Clone(failureKinds),
	Emits: []analyzers.Code{noSandboxImage},
	Run: func(p *analyzers.Pass) error {
		each(p, byImage, imageFinding)
		return nil
	},
}

var imageWords = regexp.MustCompile(`(?:failed to get sandbox image|failed pulling image) "([^"]+)"`)

func imageFinding(f failure) analyzers.Finding {
	node, image := f.pod.Spec.NodeName, "of the sandbox"
	found := analyzers.Finding{Code: noSandboxImage}
	if m := imageWords.FindStringSubmatch(f.text); m != nil {
		image = m[1]
		host, _, hasHost := strings.Cut(image, "/")
		if !hasHost {
			host = "docker.io"
		}
		found.CausedBy = []analyzers.Ref{{Kind: "Registry", Name: host}}
		found.Shared = fmt.Sprintf("Nodes cannot pull the sandbox image %s, so no pod starts there", image)
	}
	why := f.text
	if i := strings.LastIndex(why, `": `); i >= 0 {
		why = why[i+3:]
	}
	found.Summary = analyzers.Line(fmt.Sprintf("Node %s cannot pull the sandbox image %s, which every pod needs: %s", node, image, why), analyzers.MaxSummary)
	found.Fixes = []analyzers.Fix{
		onHost("Try to pull it on the node; for a mirror set sandbox_image (sandbox in version 3) in containerd's configuration", node, "crictl", "pull", image),
	}
	return found
}
