package config

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// HookFailed reports containers that the kubelet kills because their postStart hook
// failed. A preStop hook that fails harms nothing that stays: the pod goes away.
var HookFailed = &analyzers.Analyzer{
	Name:  "config/hook-failed",
	Doc:   "containers that are killed because their postStart hook fails",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{hookFailed},
	Run: func(p *analyzers.Pass) error {
		for pod := range subjects(p) {
			for _, status := range cluster.ContainerStatuses(pod) {
				if s, ok := newStart(pod, status); ok && s.spec.Lifecycle != nil && s.spec.Lifecycle.PostStart != nil {
					s.reportHook(p)
				}
			}
		}
		return nil
	},
}

// reportHook takes the kubelet's word while it stands in the status; in the pause before
// the next try only the event is left, which must be about the last end.
func (s start) reportHook(p *analyzers.Pass) {
	source := cluster.RefOf(s.pod).String()
	ev, ok := p.KilledByHook(s.pod, s.status)
	f := analyzers.Finding{Code: hookFailed}
	what, why := s.hook(), ""
	switch {
	case s.kind() == hookStart:
		why = hookError(s.text)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: source, Path: s.path + ".message", Quote: analyzers.Quote(s.text)})
	case !ok || p.ContainerFault(s.pod, s.status) != cluster.CrashFault:
		return
	}
	if ok {
		// "PostStartHook failed" and no more, so that no secret gets into an event
		// (k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go).
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: "Event on " + source, Path: ev.Reason, Quote: analyzers.Quote(ev.Message), At: cluster.EventTime(ev)})
	}
	f.Evidence = append(f.Evidence, analyzers.Evidence{Source: source, Path: s.specPath() + ".lifecycle.postStart", Quote: analyzers.Quote(what)})
	f.Summary = fit("Container "+s.status.Name+" is killed at each start because its postStart hook fails", why)
	root := p.Root(s.pod)
	f.Fixes = undo(p, s.pod)
	if patchable[root.Kind] {
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:  "Remove the hook; the program itself or an init container can do its work",
			Argv: s.patch(p, root, `"lifecycle":{"postStart":null}`),
		})
	}
	f.Fixes = append(f.Fixes, analyzers.Fix{
		Why:  "Show what the container wrote before it was killed, without the hook's own output",
		Argv: p.Kubectl(s.pod.Namespace, "logs", s.pod.Name, "-c", s.status.Name, "--previous"),
	})
	s.report(p, f)
}

// hook is the handler as one line.
func (s start) hook() string {
	switch h := s.spec.Lifecycle.PostStart; {
	case h.Exec != nil:
		return quoted(h.Exec.Command)
	case h.HTTPGet != nil:
		return "GET " + h.HTTPGet.Path + " port " + h.HTTPGet.Port.String()
	}
	return "postStart"
}

// k8s.io/kubernetes pkg/kubelet/lifecycle/handlers.go, Run.
var (
	hookMessage = regexp.MustCompile(`failed - error: (.*?)(?:, message: "(.*)")?$`)
	hookExit    = regexp.MustCompile(`exited with (\d+)`)
)

// hookError is what the hook said, as the end of a sentence.
func hookError(text string) string {
	m := hookMessage.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	said := strings.TrimSpace(strings.NewReplacer(`\n`, " ", `\"`, `"`, `\t`, " ").Replace(m[2]))
	if said != "" {
		return ": " + said
	}
	if exit := hookExit.FindStringSubmatch(m[1]); exit != nil {
		return ": exit code " + exit[1]
	}
	return ": " + m[1]
}
