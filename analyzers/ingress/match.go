package ingress

import (
	"fmt"
	"regexp"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NoMatch finds paths of ingress-nginx that match other requests than they are meant for.
var NoMatch = &analyzers.Analyzer{
	Name: "ingress/no-match",
	Doc: `paths that match nothing, or are rewritten to nothing, with ingress-nginx

A path is a regular expression only when an Ingress of the same host has use-regex or
rewrite-target; otherwise it is taken as it stands. A rewrite to a group that the path
does not have sends every request to the same place.`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.IngressClasses},
	Emits: []analyzers.Code{noMatch},
	Run:   noMatches,
}

var (
	// What no URL path holds as such, and what people write in expressions.
	expression = regexp.MustCompile(`\(.*\)|\.\*|\.\+|\[.+\][*+{]?|\$$|^\^|\\[dwsb.]`)
	group      = regexp.MustCompile(`\$([1-9])`)
)

func noMatches(p *analyzers.Pass) error {
	for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
		if in.DeletionTimestamp != nil || canary(in) || solver(in) {
			continue
		}
		// Only ingress-nginx reads paths like this: others reject or translate them.
		c := classOf(p.Snapshot, in)
		if c.controller != nginxController {
			continue
		}
		rewrite := in.Annotations[nginxPrefix+"rewrite-target"]
		for _, r := range routes(in) {
			switch {
			case r.path.PathType == nil && r.path.Path == "":
			case rewrite != "":
				missingGroup(p, in, r, rewrite)
			case expression.MatchString(r.path.Path) && !regexHost(p.Snapshot, c, r.host):
				literalPath(p, in, r)
			}
		}
	}
	return nil
}

// regexHost reports whether the paths of a host are regular expressions: one Ingress with
// either annotation is enough (docs/user-guide/ingress-path-matching.md; internal/ingress/
// controller/template/template.go, enforceRegexModifier).
func regexHost(s *cluster.Snapshot, c class, host string) bool {
	return cluster.Derive(s, "ingress.regex-hosts", func() map[[2]string]bool {
		out := map[[2]string]bool{}
		for in := range cluster.All[*networkingv1.Ingress](s) {
			if in.Annotations[nginxPrefix+"rewrite-target"] == "" && in.Annotations[nginxPrefix+"use-regex"] != "true" {
				continue
			}
			for _, r := range in.Spec.Rules {
				out[[2]string{classOf(s, in).name, r.Host}] = true
			}
		}
		return out
	})[[2]string{c.name, host}]
}

func literalPath(p *analyzers.Pass, in *networkingv1.Ingress, r route) {
	key := nginxPrefix + "use-regex"
	field := strings.TrimSuffix(r.field, ".backend") + ".path"
	f := analyzers.Finding{
		Code:     noMatch,
		Subject:  cluster.RefOf(in),
		Part:     r.path.Path,
		Summary:  fmt.Sprintf("Path %s is taken literally, not as a regular expression: no Ingress of %s has use-regex", analyzers.Line(r.path.Path, 50), or(r.host, "its host")),
		Evidence: []analyzers.Evidence{on(in, field, r.path.Path), on(in, annotationField(key), or(in.Annotations[key], "not set"))},
		Fixes:    []analyzers.Fix{annotate(p, in, "Take the host's paths as regular expressions", key, "true", "")},
	}
	p.Report(f)
}

// missingGroup is about rewrite-target: /$2 with a path that has fewer groups: nginx puts
// nothing there, and every request arrives at the same path.
func missingGroup(p *analyzers.Pass, in *networkingv1.Ingress, r route, rewrite string) {
	groups := strings.Count(strings.ReplaceAll(strings.ReplaceAll(r.path.Path, `\(`, ""), "(?", ""), "(")
	for _, m := range group.FindAllStringSubmatch(rewrite, -1) {
		if int(m[1][0]-'0') <= groups {
			continue
		}
		key := nginxPrefix + "rewrite-target"
		meant := strings.TrimSuffix(r.path.Path, "/") + "/(.*)"
		f := analyzers.Finding{
			Code:    noMatch,
			Subject: cluster.RefOf(in),
			Part:    r.path.Path,
			Summary: fmt.Sprintf("All requests for %s arrive at the pods as %s: the path has no group for %s", analyzers.Line(r.where(), 60), group.ReplaceAllString(rewrite, ""), m[0]),
			Evidence: []analyzers.Evidence{
				on(in, annotationField(key), rewrite),
				on(in, strings.TrimSuffix(r.field, ".backend")+".path", r.path.Path),
			},
			Fixes: []analyzers.Fix{{
				Why:  fmt.Sprintf("Write the path with the group that the rewrite takes up, such as %s, and pathType ImplementationSpecific", strings.TrimSuffix(r.path.Path, "/")+"(/|$)(.*)"),
				Argv: p.Kubectl(in.Namespace, "edit", "ingress", in.Name),
			}},
		}
		if m[1] == "1" {
			f.Fixes[0].Why = fmt.Sprintf("Write the path with the group that the rewrite takes up, such as %s, and pathType ImplementationSpecific", meant)
		}
		p.Report(f)
		return
	}
}
