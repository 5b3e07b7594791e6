package crashes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A reference is a variable that the command line names as $(NAME) and the container does
// not have. The kubelet then leaves the words as they stand (k8s.io/kubernetes
// third_party/forked/golang/expansion/expand.go), and the program stumbles over them.
type reference struct{ name, field, word string }

// The program quotes a reference; $$(NAME) in the manifest is one that is meant to stay.
var referenceText = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)`)

// unexpanded finds in the reason of a crash a reference that stands in the container's
// command or arguments.
func unexpanded(c crash, r reason) (reference, bool) {
	for _, m := range referenceText.FindAllStringSubmatch(r.Detail, -1) {
		for _, e := range c.container.Env {
			if e.Name == m[1] {
				return reference{}, false // it has the variable
			}
		}
		for _, list := range []struct {
			field string
			words []string
		}{{"args", c.container.Args}, {"command", c.container.Command}} {
			for _, word := range list.words {
				if strings.Contains(strings.ReplaceAll(word, "$$", ""), m[0]) {
					return reference{m[1], list.field, word}, true
				}
			}
		}
	}
	return reference{}, false
}

// explain puts the missing variable in place of what the program made of it.
func (v reference) explain(p *analyzers.Pass, c crash, f *analyzers.Finding) {
	list := "containers"
	if slices.ContainsFunc(c.pod.Status.InitContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == c.status.Name }) {
		list = "initContainers"
	}
	path := "spec." + list + "[" + c.status.Name + "]."
	source := cluster.RefOf(c.pod).String()
	f.Summary = analyzers.Line(fmt.Sprintf("%s %s: $(%s) in its %s stays as it is, as the container has no variable %s", c.name(), c.ends(), v.name, v.field, v.name), analyzers.MaxSummary)
	facts := []analyzers.Evidence{{Source: source, Path: path + v.field, Quote: analyzers.QuoteHead(v.word)}}
	for _, from := range c.container.EnvFrom {
		name := ""
		switch {
		case from.ConfigMapRef != nil:
			name = "configMapRef: " + from.ConfigMapRef.Name
		case from.SecretRef != nil:
			name = "secretRef: " + from.SecretRef.Name
		}
		if from.Prefix != "" && name != "" { // all its variables have the prefix
			facts = append(facts, analyzers.Evidence{Source: source, Path: path + "envFrom", Quote: "prefix: " + from.Prefix + ", " + name})
			break
		}
	}
	f.Evidence = slices.Insert(f.Evidence, min(1, len(f.Evidence)), facts...)
	if cluster.RollsOut(c.subject) {
		f.Fixes = append([]analyzers.Fix{{
			Why:  "Set the variable " + v.name + ", or name one in " + v.field + " that the container has",
			Argv: p.Kubectl(c.subject.Namespace, "set", "env", c.subject.Short(), "-c", c.status.Name, v.name+"=<value>"),
		}}, f.Fixes...)
	}
}
