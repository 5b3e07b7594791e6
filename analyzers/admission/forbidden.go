package admission

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Forbidden reports programs that the API server forbids what they ask for, and says which
// role or binding is short of it.
var Forbidden = &analyzers.Analyzer{
	Name: "admission/forbidden",
	Doc: `programs that fail because RBAC forbids what they ask of the API server

The program's log tells what was forbidden; the roles and bindings tell why. What they allow
by now is not reported: the log is that of a run before. A program that runs and is ready
may ask for more than it needs, so that is a warning.`,
	Needs: []schema.GroupKind{
		cluster.Pods, cluster.Events, cluster.Roles, cluster.RoleBindings, cluster.ClusterRoles, cluster.ClusterRoleBindings, cluster.ServiceAccounts,
	},
	Emits: []analyzers.Code{rbacForbidden},
	Run:   forbidden,
}

func forbidden(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if pod.DeletionTimestamp != nil || !p.Stands(pod) {
			continue
		}
		for _, status := range cluster.ContainerStatuses(pod) {
			if r, ok := p.RefusedByAPI(pod, status); ok && !r.Unauthorized {
				reportForbidden(p, pod, status, r)
			}
		}
	}
	forbiddenEvents(p)
	return nil
}

func reportForbidden(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus, r cluster.Refusal) {
	crashes := p.Crashing(pod, status)
	if !crashes && !r.Known {
		return // an old line of a program that goes on; nothing shows that it is still so
	}
	w := why(p, r)
	if r.User == anonymousUser {
		w = anonymous(p, pod)
	}
	f := analyzers.Finding{
		Code: rbacForbidden, Subject: p.Root(pod), Part: status.Name, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Summary:  analyzers.Line(fmt.Sprintf("%s may not %s: %s", who(r.Request, pod.Namespace), ask(r.Request, pod.Namespace), w.reason), analyzers.MaxSummary),
		Evidence: append([]analyzers.Evidence{logEvidence(pod, status.Name, r.Line, r.Previous)}, w.evidence...),
		Fixes:    w.fixes,
	}
	if w.reason == "" {
		f.Summary = analyzers.Line(fmt.Sprintf("%s may not %s", who(r.Request, pod.Namespace), ask(r.Request, pod.Namespace)), analyzers.MaxSummary)
	}
	if ns, name, ok := r.Account(); ok {
		f.CausedBy = append(f.CausedBy, analyzers.Ref{APIVersion: "v1", Kind: "ServiceAccount", Namespace: ns, Name: name})
		f.Shared = f.Summary
	}
	if end, _ := cluster.End(status); crashes && end != nil {
		f.Evidence = append(f.Evidence, endEvidence(pod, status, end))
	}
	if !crashes && !inVain(p, pod, status) {
		f.Severity = analyzers.Warning
	}
	p.Report(f)
}

// inVain reports whether a container that runs keeps its pod from being ready: it is not
// ready itself, or it is an init container that asks again and again.
func inVain(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus) bool {
	c, init, ok := cluster.Container(&pod.Spec, status.Name)
	if running := status.State.Running; ok && init && !cluster.IsSidecar(c) && running != nil {
		return p.Since(running.StartedAt.Time) > time.Minute
	}
	return p.ContainerFault(pod, status) == cluster.ReadyFault && !soon(p, pod)
}

// soon reports whether a pod that is not ready may still come to be so.
func soon(p *analyzers.Pass, pod *corev1.Pod) bool {
	stage, _ := p.Unready(pod)
	return stage < cluster.Stuck
}

// anonymousUser is who asks without a token.
const anonymousUser = "system:anonymous"

// who is how a summary calls the user of a request.
func who(r cluster.Request, home string) string {
	ns, name, ok := r.Account()
	switch {
	case ok && ns == home:
		return "ServiceAccount " + name
	case ok:
		return "ServiceAccount " + ns + "/" + name
	case r.User == anonymousUser:
		return "A request without a token"
	}
	return "User " + r.User
}

// ask is what was asked for: "list pods in namespace shop", without the namespace when it
// is the program's own.
func ask(r cluster.Request, home string) string {
	if r.Path != "" {
		return r.Verb + " " + r.Path
	}
	what := r.Verb + " " + r.Full()
	if r.Group != "" {
		what += "." + r.Group
		if r.Subresource != "" {
			what = r.Verb + " " + r.Resource + "." + r.Group + "/" + r.Subresource
		}
	}
	switch r.Namespace {
	case "":
		return what + " in the whole cluster"
	case home:
		return what
	}
	return what + " in namespace " + r.Namespace
}

func logEvidence(pod *corev1.Pod, container, line string, previous bool) analyzers.Evidence {
	path := "current"
	if previous {
		path = "previous"
	}
	return analyzers.Evidence{Source: "Log of Pod " + pod.Namespace + "/" + pod.Name + " container " + container, Path: path, Quote: analyzers.Quote(line)}
}

func endEvidence(pod *corev1.Pod, status corev1.ContainerStatus, end *corev1.ContainerStateTerminated) analyzers.Evidence {
	quote := fmt.Sprintf("exitCode: %d", end.ExitCode)
	if status.RestartCount > 0 {
		quote += fmt.Sprintf(", restartCount: %d", status.RestartCount)
		if t := pod.Status.StartTime; t != nil {
			quote += " since " + t.UTC().Format(time.RFC3339)
		}
	}
	return analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status.containerStatuses[" + status.Name + "]", Quote: quote, At: end.FinishedAt.Time}
}
