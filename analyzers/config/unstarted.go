package config

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unstarted reports containers that cannot be created or started for a reason that no
// other check knows, in the words of the kubelet or the runtime.
var Unstarted = &analyzers.Analyzer{
	Name:  "config/unstarted",
	Doc:   "containers that cannot be created or started, in the runtime's own words",
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{startFailed},
	Run: func(p *analyzers.Pass) error {
		for s := range starts(p, otherStart) {
			// An object of the environment that the kubelet has not read yet: it tries again
			// in a moment (k8s.io/kubernetes pkg/kubelet/util/manager/watch_based_manager.go).
			if strings.HasPrefix(s.text, "failed to sync ") {
				continue
			}
			what := "cannot be started"
			if strings.HasPrefix(s.reason, "CreateContainer") || strings.HasPrefix(s.reason, "PreCreate") {
				what = "cannot be created"
			}
			why := s.why()
			if why == "" {
				why = s.reason
			}
			f := analyzers.Finding{
				Code:     startFailed,
				Summary:  fit("Container "+s.status.Name+" "+what, ": "+why),
				Evidence: []analyzers.Evidence{s.said(), {Source: cluster.RefOf(s.pod).String(), Path: s.specPath() + ".image", Quote: analyzers.Quote(s.spec.Image)}},
				Fixes:    undo(p, s.pod),
			}
			if s.text == "" {
				f.Evidence[0].Path, f.Evidence[0].Quote = s.path+".reason", s.reason
			}
			f.Fixes = append(f.Fixes, analyzers.Fix{
				Why:  "Show the whole message and what the kubelet tried since",
				Argv: p.Kubectl(s.pod.Namespace, "describe", "pod", s.pod.Name),
			})
			s.report(p, f)
		}
		return nil
	},
}

// why is the message as part of a sentence: without the runtime's frames and the pod's own
// name, which differs from pod to pod.
func (s start) why() string {
	text := strings.Join(strings.Fields(innermost(s.text)), " ")
	text = strings.TrimSuffix(strings.TrimSuffix(text, ": unknown"), ".")
	for _, own := range []string{s.pod.Name, string(s.pod.UID)} {
		if own != "" {
			text = strings.ReplaceAll(text, own, "…")
		}
	}
	return text
}
