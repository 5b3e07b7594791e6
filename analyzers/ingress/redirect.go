package ingress

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// RedirectLoop finds Ingresses that send a browser around in circles.
var RedirectLoop = &analyzers.Analyzer{
	Name: "ingress/redirect-loop",
	Doc: `Ingresses of ingress-nginx that redirect to themselves

Either an annotation redirects to its own host, or the access log shows one client that
asks for the same thing ten times within seconds and is redirected each time. A redirect
to HTTPS alone is what most Ingresses do.`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.IngressClasses, cluster.Services, cluster.Pods, cluster.ConfigMaps},
	Emits: []analyzers.Code{redirectLoop},
	Run:   redirectLoops,
}

const (
	// Browsers give up after 20 redirects, curl after 50.
	loopLength = 10
	loopTime   = 10 * time.Second
)

func redirectLoops(p *analyzers.Pass) error {
	reported := map[analyzers.Ref]bool{}
	for in := range cluster.Scoped[*networkingv1.Ingress](p.Snapshot) {
		if in.DeletionTimestamp == nil && classOf(p.Snapshot, in).controller == nginxController && redirectsToItself(p, in) {
			reported[cluster.RefOf(in)] = true
		}
	}
	type asked struct{ client, request, status, backend string }
	seen := map[asked][]line{}
	var order []asked
	for _, l := range lines(p.Snapshot) {
		if !strings.HasPrefix(l.status, "3") || l.status == "304" {
			continue
		}
		key := asked{l.client, l.request, l.status, l.backend}
		if seen[key] == nil {
			order = append(order, key)
		}
		seen[key] = append(seen[key], l)
	}
	for _, key := range order {
		list := seen[key]
		t, ok := redirecting(targetsByBackend(p.Snapshot)[key.backend], list[0])
		if !ok || len(list) < loopLength || !p.InScope(t.in.Namespace) || reported[cluster.RefOf(t.in)] {
			continue
		}
		last := list[len(list)-1]
		if last.at.Sub(list[len(list)-loopLength].at) > loopTime || answeredBetween(p.Snapshot, list) {
			continue // health checks and scrapers come again, but not so fast
		}
		reported[cluster.RefOf(t.in)] = true
		reportLoop(p, t, last, len(list))
	}
	return nil
}

// redirecting tells which Ingress of a backend a line is about: an access line names no
// host. One that redirects to HTTPS itself has TLS or an annotation for it.
func redirecting(list []target, l line) (target, bool) {
	if len(list) > 1 && (l.upstream == "-" || l.upstream == "") {
		list = slices.DeleteFunc(slices.Clone(list), func(t target) bool {
			return len(t.in.Spec.TLS) == 0 && t.in.Annotations[nginxPrefix+"force-ssl-redirect"] != "true"
		})
	}
	if len(list) != 1 {
		return target{}, false
	}
	return list[0], true
}

// answeredBetween reports whether the same client got another answer for the request.
func answeredBetween(s *cluster.Snapshot, list []line) bool {
	return slices.ContainsFunc(lines(s), func(l line) bool {
		return l.status != "" && l.status[0] != '3' && l.client == list[0].client && l.request == list[0].request && l.backend == list[0].backend
	})
}

func reportLoop(p *analyzers.Pass, t target, last line, times int) {
	f := analyzers.Finding{
		Code:     redirectLoop,
		Subject:  cluster.RefOf(t.in),
		Evidence: []analyzers.Evidence{logEvidence(last)},
	}
	own := last.upstream == "-" || last.upstream == ""
	if settings, ok := nginxSettings(p.Snapshot); ok {
		f.Evidence = append(f.Evidence, on(settings, "data[use-forwarded-headers]", or(settings.Data["use-forwarded-headers"], "not set (false)")))
	}
	switch {
	case own:
		// With TLS ended in front of it, ingress-nginx sees plain HTTP for ever, unless
		// it believes X-Forwarded-Proto (docs/user-guide/nginx-configuration/configmap.md,
		// use-forwarded-headers).
		f.Summary = fmt.Sprintf("Ingress redirects %s to HTTPS again and again: one client got %s %d times within seconds", or(t.route.where(), "/"), last.status, times)
		f.Fixes = []analyzers.Fix{
			annotate(p, t.in, "Leave the redirect to the load balancer that ends TLS", nginxPrefix+"ssl-redirect", "false", nginxPrefix+"force-ssl-redirect"),
			{Why: "Or have the controller believe the load balancer: set use-forwarded-headers to true in its ConfigMap", Argv: settingsEdit(p)},
		}
	default:
		f.Summary = fmt.Sprintf("Service %s redirects %s to itself: one client got %s %d times within seconds", t.route.to.Name, or(t.route.where(), "/"), last.status, times)
		f.CausedBy = []analyzers.Ref{{APIVersion: "v1", Kind: "Service", Namespace: t.in.Namespace, Name: t.route.to.Name}}
		f.Fixes = []analyzers.Fix{{Why: "Show what the Ingress sends: the application has to believe X-Forwarded-Proto, or not to redirect itself", Argv: p.Kubectl(t.in.Namespace, "describe", "ingress", t.in.Name)}}
	}
	p.Report(f)
}

func settingsEdit(p *analyzers.Pass) []string {
	if settings, ok := nginxSettings(p.Snapshot); ok {
		return p.Kubectl(settings.Namespace, "patch", "configmap", settings.Name, "--type", "merge", "-p", `{"data":{"use-forwarded-headers":"true"}}`)
	}
	return p.Kubectl("ingress-nginx", "edit", "configmap", "ingress-nginx-controller")
}

// redirectsToItself judges the annotations that redirect a whole Ingress.
func redirectsToItself(p *analyzers.Pass, in *networkingv1.Ingress) bool {
	for _, name := range []string{"permanent-redirect", "temporal-redirect", "app-root"} {
		value := in.Annotations[nginxPrefix+name]
		if value == "" || !circular(in, name, value) {
			continue
		}
		key := nginxPrefix + name
		p.Report(analyzers.Finding{
			Code:     redirectLoop,
			Subject:  cluster.RefOf(in),
			Summary:  fmt.Sprintf("Annotation %s redirects the Ingress to itself: %s", name, analyzers.Line(value, 80)),
			Evidence: []analyzers.Evidence{on(in, annotationField(key), value)},
			Fixes:    []analyzers.Fix{{Why: "Take the redirect away", Argv: p.Kubectl(in.Namespace, "annotate", "ingress", in.Name, key+"-")}},
		})
		return true
	}
	return false
}

// circular reports whether a redirect leads back to the same Ingress: app-root stands for
// the path / alone (rootfs/etc/nginx/template/nginx.tmpl), the others for all its paths.
func circular(in *networkingv1.Ingress, name, value string) bool {
	if name == "app-root" {
		return value == "/"
	}
	to, err := url.Parse(value)
	if err != nil || to.Host == "" || strings.Contains(value, "$") {
		return false
	}
	for _, r := range routes(in) {
		// From http to https of the same host it leads on only where TLS is not served:
		// with it, the next request comes back here too.
		if strings.EqualFold(r.host, to.Hostname()) && to.Port() == "" && strings.HasPrefix(or(to.Path, "/"), or(r.path.Path, "/")) {
			return true
		}
	}
	return false
}
