package probes

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ExecProbe reports exec probes whose command is not in the image or does not end within
// its timeout, which is 1 second unless the manifest says otherwise. What a command that
// ran says is the probe's answer and another matter.
var ExecProbe = &analyzers.Analyzer{
	Name:  "probes/exec-probe",
	Doc:   "exec probes whose command is not in the image or takes too long",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{execProbe},
	Run: func(p *analyzers.Pass) error {
		each(p, execProbe, func(t *trouble) {
			text := fmt.Sprintf("Container %s is not ready: its %s probe %s", t.container.Name, t.which, t.happens())
			if t.kill != nil {
				text = fmt.Sprintf("Container %s is restarted because its %s probe %s", t.container.Name, t.which, t.happens())
			}
			f := t.finding(execProbe, text)
			if t.failure.mode == slow {
				now := int(or(t.probe.TimeoutSeconds, defaultTimeout))
				f.Evidence = append(f.Evidence, t.spec("timeoutSeconds", strconv.Itoa(now)))
				if fix, ok := t.change(p, fmt.Sprintf("Raise the timeout to %d s; a command that starts a runtime or a client is slow", max(5, 5*now)), map[string]any{"timeoutSeconds": max(5, 5*now)}, t.which); ok {
					f.Fixes = append(f.Fixes, fix)
				}
			} else {
				f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Probe with httpGet, tcpSocket or grpc, or put the command into the image", Argv: p.Kubectl(t.subject.Namespace, "edit", t.subject.Short())})
			}
			if back, ok := t.back(p); ok {
				f.Fixes = append(f.Fixes, back)
			}
			p.Report(f)
		})
		return nil
	},
}
