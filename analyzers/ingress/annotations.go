package ingress

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Ignored finds annotations that do nothing.
var Ignored = &analyzers.Analyzer{
	Name: "ingress/ignored-annotation",
	Doc: `Ingress annotations without effect: misspelt, malformed, another controller's

Nothing checks the name of an annotation. A value that does not parse is left out, and the
controller's default stands. Judged are those of ingress-nginx, against its documented
list; an unknown name is reported only when it is nearly a known one.`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.IngressClasses, cluster.Pods, cluster.ConfigMaps},
	Emits: []analyzers.Code{ignored},
	Run:   ignoredAnnotations,
}

func ignoredAnnotations(p *analyzers.Pass) error {
	for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
		if in.DeletionTimestamp != nil || solver(in) {
			continue
		}
		c := classOf(p.Snapshot, in)
		reportForeign(p, in, c)
		for _, key := range slices.Sorted(maps.Keys(in.Annotations)) {
			name, isNginx := strings.CutPrefix(key, nginxPrefix)
			switch {
			case !isNginx:
				misspeltPrefix(p, in, key)
			case c.controller == nginxController || c.controller == "":
				judgeAnnotation(p, in, c, name, in.Annotations[key])
			}
		}
		if canary(in) && c.controller == nginxController {
			lonelyCanary(p, in, c)
		}
	}
	return nil
}

func annotationField(key string) string { return "metadata.annotations[" + key + "]" }

func reportIgnored(p *analyzers.Pass, in *networkingv1.Ingress, key, summary string, fixes ...analyzers.Fix) {
	p.Report(analyzers.Finding{
		Code:     ignored,
		Subject:  cluster.RefOf(in),
		Part:     key,
		Summary:  summary,
		Evidence: []analyzers.Evidence{on(in, annotationField(key), key+": "+in.Annotations[key])},
		Fixes:    fixes,
	})
}

// annotate sets one annotation and, where a key was wrong, takes the wrong one away.
func annotate(p *analyzers.Pass, in *networkingv1.Ingress, why, key, value, wrong string) analyzers.Fix {
	args := []string{"annotate", "ingress", in.Name, "--overwrite", key + "=" + value}
	if wrong != "" {
		args = append(args, wrong+"-")
	}
	return analyzers.Fix{Why: why, Argv: p.Kubectl(in.Namespace, args...)}
}

// judgeAnnotation judges one annotation of ingress-nginx.
func judgeAnnotation(p *analyzers.Pass, in *networkingv1.Ingress, c class, name, value string) {
	key := nginxPrefix + name
	f, known := nginxAnnotations[name]
	if !known {
		near, ok := analyzers.Nearest(name, slices.Collect(maps.Keys(nginxAnnotations)))
		if _, both := in.Annotations[nginxPrefix+near]; ok && !both {
			reportIgnored(p, in, key, fmt.Sprintf("Annotation %s does not exist in ingress-nginx; %s was probably meant", short(name), near),
				annotate(p, in, "Write the annotation as it is documented", nginxPrefix+near, value, key))
		}
		return
	}
	if c.controller != nginxController {
		return // without its class nobody says that ingress-nginx reads it
	}
	if wants := malformed(f, value); wants != "" {
		fix := analyzers.Fix{Why: "Give the annotation a value that ingress-nginx takes", Argv: p.Kubectl(in.Namespace, "edit", "ingress", in.Name)}
		if to, ok := repaired(f, value); ok {
			fix = annotate(p, in, fmt.Sprintf("Write the value as ingress-nginx takes it: %s", to), key, to, "")
		}
		reportIgnored(p, in, key, fmt.Sprintf("Annotation %s has value %q, which ingress-nginx ignores: it takes %s", name, short(value), wants), fix)
		return
	}
	if strings.HasSuffix(name, "-snippet") {
		snippet(p, in, key, name)
	}
}

func short(s string) string { return analyzers.Line(s, 40) }

var (
	// kubernetes/ingress-nginx internal/ingress/annotations/parser/validators.go.
	sizeValue = regexp.MustCompile(`^(?i)\d+[bkmg]?$`)
	// A duration or a size as others write it.
	withUnit  = regexp.MustCompile(`^(\d+) ?s(?:ec(?:onds?)?)?$`)
	otherSize = regexp.MustCompile(`^(?i)(\d+) ?([kmg])i?b$`)
)

var protocols = []string{"auto_http", "http", "https", "grpc", "grpcs", "fcgi"} // internal/ingress/annotations/backendprotocol/main.go

// malformed says what an annotation takes in place of its value; empty when it is well.
func malformed(f form, value string) string {
	switch {
	case value == "":
		return ""
	case f == number:
		if _, err := strconv.Atoi(value); err != nil {
			return "a whole number without a unit"
		}
	case f == truth:
		if _, err := strconv.ParseBool(value); err != nil {
			return "true or false"
		}
	case f == size && !sizeValue.MatchString(value):
		return "a number with k, m or g"
	case f == protocol && !slices.Contains(protocols, strings.ToLower(value)):
		return "HTTP, HTTPS, AUTO_HTTP, GRPC, GRPCS or FCGI"
	}
	return ""
}

func repaired(f form, value string) (string, bool) {
	switch m := withUnit.FindStringSubmatch(value); {
	case f == number && m != nil:
		return m[1], true
	case f == truth && slices.Contains([]string{"yes", "on", "enabled"}, strings.ToLower(value)):
		return "true", true
	case f == truth && slices.Contains([]string{"no", "off", "disabled"}, strings.ToLower(value)):
		return "false", true
	}
	if m := otherSize.FindStringSubmatch(value); f == size && m != nil {
		return m[1] + strings.ToLower(m[2]), true
	}
	return "", false
}

// misspeltPrefix finds a slip in ingress-nginx's prefix itself, and the one that it had
// before version 0.9.
func misspeltPrefix(p *analyzers.Pass, in *networkingv1.Ingress, key string) {
	prefix, name, ok := strings.Cut(key, "/")
	if _, known := nginxAnnotations[name]; !ok || !known || prefix == "ingress.kubernetes.io" {
		return // that is also the prefix of HAProxy Ingress and Contour
	}
	if near, slip := analyzers.Nearest(prefix, []string{strings.TrimSuffix(nginxPrefix, "/")}); slip {
		reportIgnored(p, in, key, fmt.Sprintf("Annotation prefix %s is nobody's; %s was probably meant", prefix, near),
			annotate(p, in, "Write the annotation with ingress-nginx's prefix", near+"/"+name, in.Annotations[key], key))
	}
}

// reportForeign is about an Ingress that has annotations of other controllers only.
// Charts for many controllers carry all of them; then one's own is among them.
func reportForeign(p *analyzers.Pass, in *networkingv1.Ingress, c class) {
	own := prefixes[c.controller]
	if len(own) == 0 || c.controller == contourController && len(in.Annotations) > 0 && hasPrefix(in, "ingress.kubernetes.io/") {
		return
	}
	var foreign string
	for _, key := range slices.Sorted(maps.Keys(in.Annotations)) {
		for _, name := range slices.Sorted(maps.Keys(prefixes)) {
			for _, prefix := range prefixes[name] {
				switch {
				case !strings.HasPrefix(key, prefix):
				case slices.Contains(own, prefix):
					return
				case foreign == "":
					foreign = key
				}
			}
		}
	}
	if foreign == "" {
		return
	}
	f := analyzers.Finding{
		Code:     ignored,
		Subject:  cluster.RefOf(in),
		Part:     foreign,
		Summary:  fmt.Sprintf("Annotation %s is another controller's: class %s belongs to %s", analyzers.Line(foreign, 60), c.name, c.controller),
		Evidence: []analyzers.Evidence{on(in, annotationField(foreign), foreign+": "+in.Annotations[foreign]), on(c.object, "spec.controller", c.controller)},
		Fixes:    []analyzers.Fix{{Why: fmt.Sprintf("Write the setting with the prefix %s, or give the Ingress to a class of the other controller", own[0]), Argv: p.Kubectl(in.Namespace, "edit", "ingress", in.Name)}},
	}
	if c.object == nil {
		f.Evidence = f.Evidence[:1]
	}
	p.Report(f)
}

func hasPrefix(in *networkingv1.Ingress, prefix string) bool {
	for key := range in.Annotations {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// snippet is about configuration that ingress-nginx drops unless its operator allows it
// (internal/ingress/controller/controller.go, dropSnippetDirectives; allow-snippet-annotations
// is false by default since 1.9.0, Changelog.md). The ConfigMap has to be seen for that.
func snippet(p *analyzers.Pass, in *networkingv1.Ingress, key, name string) {
	settings, ok := nginxSettings(p.Snapshot)
	if !ok || settings.Data["allow-snippet-annotations"] == "true" {
		return
	}
	quote := "allow-snippet-annotations: " + or(settings.Data["allow-snippet-annotations"], "not set (false)")
	p.Report(analyzers.Finding{
		Code:     ignored,
		Subject:  cluster.RefOf(in),
		Part:     key,
		Summary:  fmt.Sprintf("Annotation %s has no effect: ingress-nginx does not allow snippets (%s)", name, cluster.RefOf(settings)),
		Evidence: []analyzers.Evidence{on(in, annotationField(key), in.Annotations[key]), on(settings, "data", quote)},
		Fixes: []analyzers.Fix{{
			Why:  "Use an annotation made for the purpose; to allow snippets lets everyone who may write an Ingress configure the controller",
			Argv: p.Kubectl(in.Namespace, "edit", "ingress", in.Name),
		}},
	})
}

// nginxSettings is the ConfigMap that ingress-nginx was told to read.
func nginxSettings(s *cluster.Snapshot) (*corev1.ConfigMap, bool) {
	for _, pod := range controllers(s)[nginxController] {
		for _, c := range pod.Spec.Containers {
			for _, arg := range c.Args {
				if ref, ok := strings.CutPrefix(strings.TrimLeft(arg, "-"), "configmap="); ok {
					namespace, name, _ := strings.Cut(strings.ReplaceAll(ref, "$(POD_NAMESPACE)", pod.Namespace), "/")
					return cluster.Find[*corev1.ConfigMap](s, namespace, name)
				}
			}
		}
	}
	return nil, false
}

// lonelyCanary is about a canary without an Ingress to take traffic from: "cannot merge
// alternative backend ... into hostname ... that does not exist" (internal/ingress/
// controller/controller.go, mergeAlternativeBackends).
func lonelyCanary(p *analyzers.Pass, in *networkingv1.Ingress, c class) {
	if !p.Sees(cluster.Ingresses, "") || in.CreationTimestamp.IsZero() {
		return
	}
	all := claims(p.Snapshot)
	var near string
	for _, r := range routes(in) {
		mine := claim{in, r}
		if len(all[keyOf(c, mine)]) > 0 {
			return
		}
		for _, other := range ofClass(p.Snapshot, c) {
			if other.Namespace == in.Namespace && !canary(other) {
				near = other.Name
			}
		}
	}
	key := nginxPrefix + "canary"
	fix := analyzers.Fix{Why: "Give the canary exactly the host and path of its main Ingress", Argv: p.Kubectl(in.Namespace, "edit", "ingress", in.Name)}
	summary := fmt.Sprintf("Canary gets no traffic: no other Ingress of class %s has its host and path", c.name)
	if near != "" {
		summary += fmt.Sprintf(", neither has %s", near)
	}
	reportIgnored(p, in, key, summary, fix)
}
