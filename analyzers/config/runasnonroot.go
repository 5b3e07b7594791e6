package config

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// RunAsNonRoot reports containers that must not run as root and would, or whose image
// does not let the kubelet know.
var RunAsNonRoot = &analyzers.Analyzer{
	Name:  "config/run-as-non-root",
	Doc:   "containers that runAsNonRoot keeps from starting",
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{nonRoot},
	Run: func(p *analyzers.Pass) error {
		for s := range starts(p, rootStart) {
			s.reportNonRoot(p)
		}
		return nil
	},
}

var namedUser = regexp.MustCompile(`non-numeric user \(([^)]*)\)`)

func (s start) reportNonRoot(p *analyzers.Pass) {
	f := analyzers.Finding{Code: nonRoot}
	uid, why := "1000", "Runs the container as an ordinary user; its files must be readable for that user"
	switch m := namedUser.FindStringSubmatch(s.text); {
	case m != nil:
		f.Summary = sentence("runAsNonRoot: image user "+m[1]+" is a name, and only a number proves that it is not root", "; set runAsUser on container "+s.status.Name)
		uid, why = "<uid>", "Gives the number of the image's user "+m[1]+", as it stands in its /etc/passwd"
	case strings.Contains(s.text, "breaks non-root policy"):
		f.Summary = "Container " + s.status.Name + " has runAsUser 0 and runAsNonRoot true, which exclude each other"
	case strings.Contains(s.text, "invalid user id"):
		f.Summary = "runAsNonRoot: the image of container " + s.status.Name + " has a user id that is not valid"
	default:
		f.Summary = sentence("Container "+s.status.Name+" must not run as root (runAsNonRoot), and its image runs as root", "; runAsUser is not set")
	}
	at := "spec.securityContext.runAsNonRoot"
	if c := s.spec.SecurityContext; c != nil && c.RunAsNonRoot != nil {
		at = s.specPath() + ".securityContext.runAsNonRoot"
	}
	f.Evidence = []analyzers.Evidence{s.said(), {Source: cluster.RefOf(s.pod).String(), Path: at, Quote: "true"}, {Source: cluster.RefOf(s.pod).String(), Path: s.specPath() + ".image", Quote: s.spec.Image}}
	f.Evidence[0].Quote = clip(s.text)
	root := p.Root(s.pod)
	if patchable[root.Kind] {
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: why, Argv: s.patch(p, root, `"securityContext":{"runAsUser":`+uid+`}`)})
	}
	f.Fixes = append(f.Fixes, undo(p, s.pod)...)
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Better in the image: a line USER with a number in its Dockerfile, such as USER 1000; then build and roll out"})
	s.report(p, f)
}
