package ingress

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Upstream finds requests that fail between ingress-nginx and the pods.
var Upstream = &analyzers.Analyzer{
	Name: "ingress/upstream",
	Doc: `requests that fail with 502, 504 or 413 in the log of ingress-nginx

Only what happened three times within a quarter of an hour counts, about a pod that is
still there and a backend whose newest answer is not a good one. Refused connections to a
pod that just starts or stops are the noise of every rollout.`,
	Needs: []schema.GroupKind{cluster.Ingresses, cluster.IngressClasses, cluster.Services, cluster.Pods, cluster.ConfigMaps},
	Emits: []analyzers.Code{badGateway, gatewayTimeout, bodySize},
	Run:   upstream,
}

// A symptom is what nginx writes when an upstream fails (src/http/ngx_http_upstream.c,
// src/event/ngx_event_openssl.c, src/http/ngx_http_core_module.c).
type symptom struct {
	words []string
	code  analyzers.Code
	say   string // %s is the workload, and %d the port
	fix   func(p *analyzers.Pass, t target) analyzers.Fix
}

var symptoms = []symptom{
	{[]string{"while connecting to upstream", "Connection refused"}, badGateway, "%s refuses connections on port %s: nothing listens there", describePods},
	{[]string{"while connecting to upstream", "timed out"}, gatewayTimeout, "%s does not take connections on port %s: packets are dropped on the way, or it is overloaded", describePolicies},
	{[]string{"while connecting to upstream", "No route to host"}, badGateway, "no route leads to %s, port %s", describePods},
	{[]string{"upstream timed out", "while reading response header"}, gatewayTimeout, "%s does not answer in time on port %s", allowTime},
	{[]string{"upstream prematurely closed connection"}, badGateway, "%s closes the connection on port %s before it has answered", describePods},
	{[]string{"Connection reset by peer", "upstream"}, badGateway, "%s resets the connection on port %s before it has answered", describePods},
	{[]string{"SSL_do_handshake() failed", "to upstream"}, badGateway, "the Ingress speaks TLS to %s, which does not on port %s", protocolFix("HTTP")},
	{[]string{"upstream sent no valid HTTP/1.0 header"}, badGateway, "%s does not speak plain HTTP/1 on port %s", protocolFix("HTTPS")},
	{[]string{"upstream sent too big header"}, badGateway, "%s answers on port %s with a header that is larger than proxy-buffer-size", biggerHeader},
}

type failures struct {
	symptom
	target
	pod   *corev1.Pod
	lines []line
}

func upstream(p *analyzers.Pass) error {
	found := map[string]*failures{}
	var order []string
	for _, l := range lines(p.Snapshot) {
		s, ok := symptomOf(l)
		if !ok {
			continue
		}
		t, pod, ok := targetOf(p.Snapshot, l)
		if !ok || !p.InScope(t.in.Namespace) {
			continue
		}
		key := s.say + cluster.RefOf(t.in).String() + t.route.to.Name
		if found[key] == nil {
			found[key] = &failures{symptom: s}
			order = append(order, key)
		}
		f := found[key]
		f.target, f.pod, f.lines = t, pod, append(f.lines, l)
	}
	for _, key := range order {
		if f := found[key]; len(f.lines) >= manyLines && !recovered(p.Snapshot, f.target) && settled(p.Snapshot, f) {
			reportUpstream(p, f)
		}
	}
	tooLarge(p)
	return nil
}

func symptomOf(l line) (symptom, bool) {
	for _, s := range symptoms {
		all := l.failure != ""
		for _, w := range s.words {
			all = all && strings.Contains(l.failure, w)
		}
		if all {
			return s, true
		}
	}
	return symptom{}, false
}

// settled is true when the pod is neither new nor on its way out: its state is not that
// of a moment.
func settled(s *cluster.Snapshot, f *failures) bool {
	return f.pod.DeletionTimestamp == nil && f.lines[0].at.After(f.pod.CreationTimestamp.Time) && s.Since(f.pod.CreationTimestamp.Time) > createTime
}

func reportUpstream(p *analyzers.Pass, f *failures) {
	last := f.lines[len(f.lines)-1]
	root := p.Root(f.pod)
	port := last.upstream[strings.LastIndexByte(last.upstream, ':')+1:]
	finding := analyzers.Finding{
		Code:     f.code,
		Subject:  cluster.RefOf(f.in),
		Part:     f.route.to.Name,
		Affected: []analyzers.Ref{root},
		Summary:  fmt.Sprintf("Requests for %s fail: "+f.say, f.route.where(), root.Kind+" "+root.Name, port),
		Evidence: []analyzers.Evidence{logEvidence(last), on(f.in, f.route.field, f.route.where()+" -> Service "+f.route.to.Name)},
		CausedBy: []analyzers.Ref{cluster.RefOf(f.svc), root},
		Fixes:    []analyzers.Fix{f.fix(p, f.target)},
	}
	p.Report(finding)
}

func describePods(p *analyzers.Pass, t target) analyzers.Fix {
	return analyzers.Fix{Why: "Show the Service, its target port and its endpoints", Argv: p.Kubectl(t.in.Namespace, "describe", "service", t.route.to.Name)}
}

func describePolicies(p *analyzers.Pass, t target) analyzers.Fix {
	return analyzers.Fix{Why: "Show the network policies of the namespace, which may keep the controller out", Argv: p.Kubectl(t.in.Namespace, "describe", "networkpolicies")}
}

// allowTime proposes twice the default of 60 s (docs/user-guide/nginx-configuration/
// annotations.md, custom timeouts).
func allowTime(p *analyzers.Pass, t target) analyzers.Fix {
	return annotate(p, t.in, "Give the application more time; the default is 60 seconds", nginxPrefix+"proxy-read-timeout", "120", "")
}

func protocolFix(to string) func(*analyzers.Pass, target) analyzers.Fix {
	return func(p *analyzers.Pass, t target) analyzers.Fix {
		return annotate(p, t.in, "Speak "+to+" to the pods", nginxPrefix+"backend-protocol", to, "")
	}
}

func biggerHeader(p *analyzers.Pass, t target) analyzers.Fix {
	return annotate(p, t.in, "Take larger headers; the default is 4k", nginxPrefix+"proxy-buffer-size", "16k", "")
}

// tooLarge is about requests that are larger than the controller takes. One is enough
// to show the limit, but who sends it must do so again for it to be a state.
func tooLarge(p *analyzers.Pass) {
	count := map[string]int{}
	for _, l := range lines(p.Snapshot) {
		text, ok := strings.CutPrefix(l.failure, "client intended to send too large body: ")
		if !ok {
			continue
		}
		bytes, _, _ := strings.Cut(text, " ")
		t, ok := byHost(p, l)
		if !ok {
			continue
		}
		key := cluster.RefOf(t.in).String()
		if count[key]++; count[key] != manyLines {
			continue
		}
		limit, evidence := bodyLimit(p, t)
		p.Report(analyzers.Finding{
			Code:     bodySize,
			Subject:  cluster.RefOf(t.in),
			Summary:  fmt.Sprintf("Requests for %s with %s bytes are refused: the limit is %s", t.route.where(), bytes, limit),
			Evidence: append([]analyzers.Evidence{logEvidence(l)}, evidence...),
			Fixes:    []analyzers.Fix{annotate(p, t.in, "Take larger requests", nginxPrefix+"proxy-body-size", roomFor(bytes), "")},
		})
	}
}

// bodyLimit is what holds for an Ingress: its own annotation, the controller's setting,
// or the default of 1m (docs/user-guide/nginx-configuration/configmap.md, proxy-body-size).
func bodyLimit(p *analyzers.Pass, t target) (string, []analyzers.Evidence) {
	key := nginxPrefix + "proxy-body-size"
	if v := t.in.Annotations[key]; v != "" {
		return v, []analyzers.Evidence{on(t.in, annotationField(key), v)}
	}
	if settings, ok := nginxSettings(p.Snapshot); ok && settings.Data["proxy-body-size"] != "" {
		return settings.Data["proxy-body-size"], []analyzers.Evidence{on(settings, "data[proxy-body-size]", settings.Data["proxy-body-size"])}
	}
	return "1m, the default", nil
}

// roomFor is the next power of two above a number of bytes, in megabytes.
func roomFor(bytes string) string {
	n := 0
	for _, c := range bytes {
		if c < '0' || c > '9' || n > 1<<40 {
			return "64m"
		}
		n = n*10 + int(c-'0')
	}
	m := 2
	for m<<20 < n {
		m *= 2
	}
	return fmt.Sprintf("%dm", m)
}

// byHost finds the Ingress of a request that never went to an upstream: the longest path
// of its host.
func byHost(p *analyzers.Pass, l line) (target, bool) {
	var best target
	_, path, _ := strings.Cut(l.request, " ")
	path, _, _ = strings.Cut(path, " ")
	for _, t := range hosts(p.Snapshot)[l.host] {
		if strings.HasPrefix(path, or(t.route.path.Path, "/")) && (best.in == nil || len(t.route.path.Path) > len(best.route.path.Path)) {
			best = t
		}
	}
	return best, best.in != nil && p.InScope(best.in.Namespace)
}
