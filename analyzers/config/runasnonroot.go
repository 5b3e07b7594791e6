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
	uid, why := "1000", "Run the container as an ordinary user, who must be able to read its files"
	switch m := namedUser.FindStringSubmatch(s.text); {
	case m != nil:
		f.Summary = sentence("Container "+s.status.Name+" must not run as root (runAsNonRoot), and its image's user "+m[1]+" is a name", ", not a number that proves it")
		uid, why = "<uid>", "Set the number of the image's user "+m[1]+", which is in its /etc/passwd"
	case strings.Contains(s.text, "breaks non-root policy"):
		f.Summary = "Container " + s.status.Name + " has runAsUser 0 and runAsNonRoot true, which exclude each other"
	case strings.Contains(s.text, "invalid user id"):
		f.Summary = "Container " + s.status.Name + " must not run as root (runAsNonRoot), and its image's user id is not valid"
	default:
		f.Summary = sentence("Container "+s.status.Name+" must not run as root (runAsNonRoot), but its image runs as root", " and runAsUser is not set")
	}
	at := "spec.securityContext.runAsNonRoot"
	if c := s.spec.SecurityContext; c != nil && c.RunAsNonRoot != nil {
		at = s.specPath() + ".securityContext.runAsNonRoot"
	}
	f.Evidence = []analyzers.Evidence{s.said(), {Source: cluster.RefOf(s.pod).String(), Path: at, Quote: "runAsNonRoot: true"}, {Source: cluster.RefOf(s.pod).String(), Path: s.specPath() + ".image", Quote: s.spec.Image}}
	f.Evidence[0].Quote = analyzers.Quote(s.text)
	root := p.Root(s.pod)
	if patchable[root.Kind] {
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: why, Argv: s.patch(p, root, `"securityContext":{"runAsUser":`+uid+`}`)})
	}
	f.Fixes = append(f.Fixes, undo(p, s.pod)...)
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Put USER with a number, such as USER 1000, in the image's Dockerfile, then build and roll out"})
	s.report(p, f)
}
