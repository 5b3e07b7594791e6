package crashes

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// AppError reports what is left when no more special check applies: the program says
// itself why it ended, or nothing but its exit code is known.
var AppError = &analyzers.Analyzer{
	Name: "crashes/app-error",
	Doc: "programs that end with an error of their own\n\n" +
		"Names the line of the log that tells why. A program that runs again for longer than before is left alone: it has got over it.",
	Needs: append([]schema.GroupKind{cluster.Pods, cluster.Events, cluster.Services, cluster.EndpointSlices}, rbac...),
	Emits: []analyzers.Code{appError},
	Run: func(p *analyzers.Pass) error {
		mayBe := func(c crash) bool { return failed(c) || c.end.ExitCode == 0 && c.restarts() && probeUnseen(p, c) }
		each(p, appError, mayBe, func(c crash, r reason) {
			f := c.finding(appError, appErrorSummary(c, r), r.evidence(c)...)
			if r.Line == "" {
				f.Evidence = append(f.Evidence, noLog(c, r)...)
			}
			f.Fixes = appErrorFixes(p, c, r)
			if v, ok := unexpanded(c, r); ok {
				v.explain(p, c, &f)
			}
			p.Report(f)
		})
		return nil
	},
}

func appErrorSummary(c crash, r reason) string {
	text := c.name() + " " + c.ends()
	switch {
	case c.end.ExitCode == 0:
		text += " again and again; whether a probe stops it is not known, as events were not read"
	case r.known():
		text += ": " + r.Detail
		if at := r.Where; at != "" && len(text)+len(at) < analyzers.MaxSummary-6 {
			text += ", in " + at
		}
	case r.Line != "":
		if signalOf(c.end.ExitCode) == "" {
			text += "; its log names no error"
		}
	default:
		if m := exitCodes[c.end.ExitCode]; m != "" {
			text += " (" + m + ")"
		}
		text += "; its log was not read"
	}
	return text
}

// noLog says why there is nothing to quote.
func noLog(c crash, r reason) []analyzers.Evidence {
	if r.why == "" {
		return nil
	}
	return []analyzers.Evidence{{Source: "Log of Pod " + c.pod.Namespace + "/" + c.pod.Name + " container " + c.status.Name, Path: r.path, Quote: analyzers.QuoteHead(r.why)}}
}

// variable is a name in the case of environment variables.
var variable = regexp.MustCompile(`\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b`)

func appErrorFixes(p *analyzers.Pass, c crash, r reason) []analyzers.Fix {
	var fixes []analyzers.Fix
	back, hasBack := c.rollback(p)
	if name, ok := missingVariable(c, r); ok && cluster.RollsOut(c.subject) {
		fixes = append(fixes, analyzers.Fix{
			Why:  fmt.Sprintf("Set the variable %s, which the program needs and the container does not have", name),
			Argv: p.Kubectl(c.subject.Namespace, "set", "env", c.subject.Short(), "-c", c.status.Name, name+"=<value>"),
		})
	}
	if hasBack {
		fixes = append(fixes, back)
	}
	why := "Show what the program wrote before this line"
	switch {
	case r.Line == "":
		why = "Show the log of the run that ended"
	case r.Kind == KindMemory:
		why = "Show what the program did before its heap was full; raise -XX:MaxRAMPercentage, --max-old-space-size or the like"
	}
	return append(fixes, c.readLog(p, why))
}

// missingVariable is the environment variable that the line asks for, if the container's
// spec does not give it a value.
func missingVariable(c crash, r reason) (string, bool) {
	if r.Kind != KindMissingConfig {
		return "", false
	}
	name := variable.FindString(r.Detail)
	if name == "" || strings.HasPrefix(name, "ERR_") {
		return "", false
	}
	for _, e := range c.container.Env {
		if e.Name == name && (e.Value != "" || e.ValueFrom != nil) {
			return "", false
		}
	}
	return name, true
}
