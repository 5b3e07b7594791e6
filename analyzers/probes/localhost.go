package probes

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// BindsLocalhost reports programs that listen on 127.0.0.1 or localhost only: the kubelet
// and every other pod are refused. Both are needed for it, the refusal and the program's
// own word: many print "localhost" in a greeting and listen on all addresses.
var BindsLocalhost = &analyzers.Analyzer{
	Name:  "probes/binds-localhost",
	Doc:   "programs that listen on the loopback address, where no probe reaches them",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{bindsLocalhost},
	Run: func(p *analyzers.Pass) error {
		each(p, bindsLocalhost, func(t *trouble) {
			l, ok := t.local()
			if !ok {
				return
			}
			then := "is never ready"
			if t.kill != nil {
				then = "is restarted"
			}
			f := t.finding(bindsLocalhost, fmt.Sprintf("Container %s listens on localhost:%d only, so its %s probe is refused and it %s", t.container.Name, l.port, t.which, then))
			f.Evidence = append([]analyzers.Evidence{t.quote(l.line)}, f.Evidence...)
			f.Fixes = append(f.Fixes, t.bindAll(p))
			if back, ok := t.back(p); ok {
				f.Fixes = append(f.Fixes, back)
			}
			p.Report(f)
		})
		return nil
	},
}

var loopbackArg = regexp.MustCompile(`\b(?:127\.0\.0\.1|localhost)(:\d+)?$`)

// bindAll lets the program listen on all addresses, where a variable or an argument of
// the container says on which. One that holds the mask of a secret is not written back.
func (t *trouble) bindAll(p *analyzers.Pass) analyzers.Fix {
	const why = "Let the program listen on all addresses of the pod"
	if cluster.RollsOut(t.subject) {
		for _, e := range t.container.Env {
			if loopbackArg.MatchString(e.Value) && len(loopbackArg.FindString(e.Value)) == len(e.Value) && bindName(e.Name) {
				return analyzers.Fix{Why: why, Argv: p.Kubectl(t.subject.Namespace, "set", "env", t.subject.Short(), "-c", t.container.Name, e.Name+"="+loopbackArg.ReplaceAllString(e.Value, "0.0.0.0$1"))}
			}
		}
		for i, a := range t.container.Args {
			if !loopbackArg.MatchString(a) || strings.ContainsAny(strings.Join(t.container.Args, ""), "*<") {
				continue
			}
			args := append([]string{}, t.container.Args...)
			args[i] = loopbackArg.ReplaceAllString(a, "0.0.0.0$1")
			patch := toJSON(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": t.container.Name, "args": args}}}}}})
			return analyzers.Fix{Why: why, Argv: p.Kubectl(t.subject.Namespace, "patch", t.subject.Short(), "--type", "strategic", "-p", patch)}
		}
	}
	return analyzers.Fix{Why: why + " (0.0.0.0 or ::), in its arguments or settings", Argv: p.Kubectl(t.subject.Namespace, "edit", t.subject.Short())}
}

// bindName reports whether a variable is likely to say where to listen, not to connect.
func bindName(name string) bool {
	n := strings.ToUpper(name)
	for _, other := range []string{"DB", "DATABASE", "REDIS", "KAFKA", "MONGO", "MYSQL", "POSTGRES", "PG", "AMQP", "RABBIT", "SMTP", "PROXY", "UPSTREAM", "BACKEND", "REMOTE"} {
		if strings.Contains(n, other) {
			return false
		}
	}
	return strings.Contains(n, "HOST") || strings.Contains(n, "BIND") || strings.Contains(n, "LISTEN") || strings.Contains(n, "ADDR")
}
