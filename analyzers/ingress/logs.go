package ingress

import (
	"cmp"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A line is one line of ingress-nginx's log about a request.
type line struct {
	pod      *corev1.Pod
	text     string
	at       time.Time
	failure  string // what an error line says before ", client:"; empty in an access line
	client   string
	host     string // of an error line
	request  string // GET /cart HTTP/1.1
	status   string // of an access line: 502
	backend  string // of an access line: shop-web-80, from namespace, Service and port
	upstream string // the address that was asked: 10.244.0.7:8080; "-" or empty when none
}

const (
	// recentLines is how far back a log speaks for the present.
	recentLines = 15 * time.Minute
	// manyLines is how often something has to happen: one request that fails is no state.
	manyLines = 3
)

var (
	// log_format upstreaminfo (kubernetes/ingress-nginx docs/user-guide/nginx-configuration/
	// log-format.md): addr - user [time] "request" status bytes "referer" "agent" length
	// seconds [namespace-service-port] [alternative] upstream length seconds status id.
	accessLine = regexp.MustCompile(`^(\S+) - \S+ \[([^\]]+)\] "([^"]*)" (\d{3}) \d+ ".*" \d+ [0-9.]+ \[([^\]]*)\] \[[^\]]*\] (\S+)`)
	// nginx src/core/ngx_log.c and src/http/ngx_http_request.c, ngx_http_log_error_handler:
	// time [level] pid#tid: *connection message, client: a, server: s, request: "r",
	// upstream: "u", host: "h".
	errorLine = regexp.MustCompile(`^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?:error|crit|warn)\] \d+#\d+: (?:\*\d+ )?(.+?), client: ([^,]+), server: ([^,]*)(.*)$`)
	inError   = regexp.MustCompile(`(request|upstream|host): "([^"]*)"`)
	address   = regexp.MustCompile(`^[a-z+]*://(\[[0-9a-f:]+\]:\d+|[0-9.]+:\d+)`)
)

// lines reads the logs of the running pods of ingress-nginx, oldest first, and keeps what
// is recent.
func lines(s *cluster.Snapshot) []line {
	return cluster.Derive(s, "ingress.lines", func() []line {
		var out []line
		for _, pod := range controllers(s)[nginxController] {
			for _, c := range pod.Spec.Containers {
				log, ok := s.Log(pod, c.Name, false)
				if !ok {
					continue
				}
				for _, text := range log.Lines() {
					if l, ok := parse(text); ok && !l.at.Before(s.Now().Add(-recentLines)) {
						l.pod = pod
						out = append(out, l)
					}
				}
			}
		}
		slices.SortStableFunc(out, func(a, b line) int { return cmp.Compare(a.at.Unix(), b.at.Unix()) })
		return out
	})
}

func parse(text string) (line, bool) {
	if m := accessLine.FindStringSubmatch(text); m != nil {
		at, err := time.Parse("02/Jan/2006:15:04:05 -0700", m[2])
		return line{text: text, at: at, client: m[1], request: m[3], status: m[4], backend: m[5], upstream: m[6]}, err == nil
	}
	m := errorLine.FindStringSubmatch(text)
	if m == nil {
		return line{}, false
	}
	// The error log has no zone: containers run in UTC unless told otherwise.
	at, err := time.Parse("2006/01/02 15:04:05", m[1])
	l := line{text: text, at: at, failure: m[2], client: m[3], host: m[4]}
	for _, pair := range inError.FindAllStringSubmatch(m[5], -1) {
		switch pair[1] {
		case "request":
			l.request = pair[2]
		case "host":
			l.host, _, _ = strings.Cut(pair[2], ":")
		case "upstream":
			if a := address.FindStringSubmatch(pair[2]); a != nil {
				l.upstream = a[1]
			}
		}
	}
	return l, err == nil
}

// A target is a path of an Ingress that a line is about, and the Service behind it.
type target struct {
	in    *networkingv1.Ingress
	route route
	svc   *corev1.Service // nil when it does not exist
}

// targetsByBackend finds the targets, one for an Ingress, by the name that ingress-nginx gives an upstream:
// namespace, Service and port, joined by dashes (internal/ingress/controller/util.go,
// upstreamName). It is built from the Ingresses, because it cannot be taken apart.
func targetsByBackend(s *cluster.Snapshot) map[string][]target {
	return cluster.Derive(s, "ingress.upstreams", func() map[string][]target {
		out := map[string][]target{}
		for in := range cluster.All[*networkingv1.Ingress](s) {
			for _, r := range routes(in) {
				svc, _ := cluster.Find[*corev1.Service](s, in.Namespace, r.to.Name)
				name := in.Namespace + "-" + r.to.Name + "-" + portText(r.to.Port)
				if in.DeletionTimestamp == nil && !slices.ContainsFunc(out[name], func(t target) bool { return t.in == in }) {
					out[name] = append(out[name], target{in, r, svc})
				}
			}
		}
		return out
	})
}

// targetOf finds what an error line is about: the path of an Ingress with its host that
// leads to the pod with its upstream address. An address whose pod is gone is history.
func targetOf(s *cluster.Snapshot, l line) (target, *corev1.Pod, bool) {
	ip, _, err := net.SplitHostPort(l.upstream)
	if err != nil {
		return target{}, nil, false
	}
	to := s.Dependency("", cluster.Address{Host: ip})
	if to.Pod == nil {
		return target{}, nil, false
	}
	for in := range cluster.In[*networkingv1.Ingress](s, to.Pod.Namespace) {
		for _, r := range routes(in) {
			svc, ok := cluster.Find[*corev1.Service](s, in.Namespace, r.to.Name)
			if ok && in.DeletionTimestamp == nil && (r.host == l.host || r.host == "" || covers(r.host, l.host)) && cluster.Selects(svc.Spec.Selector, to.Pod.Labels) {
				return target{in, r, svc}, to.Pod, true
			}
		}
	}
	return target{}, nil, false
}

// recovered reports whether the newest answer from a backend is a good one.
func recovered(s *cluster.Snapshot, t target) bool {
	name := t.in.Namespace + "-" + t.route.to.Name + "-" + portText(t.route.to.Port)
	list := lines(s)
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].backend == name {
			// 009 is what nginx 1.22 logs for an answer that is no HTTP/1.
			return list[i].status[0] > '0' && list[i].status[0] < '5'
		}
	}
	return false
}

// logEvidence quotes one line.
func logEvidence(l line) analyzers.Evidence {
	return analyzers.Evidence{Source: "Log of " + cluster.RefOf(l.pod).String(), Path: "container log", Quote: analyzers.QuoteHead(l.text), At: l.at}
}

// hosts are the paths that ingress-nginx serves, by host.
func hosts(s *cluster.Snapshot) map[string][]target {
	return cluster.Derive(s, "ingress.hosts", func() map[string][]target {
		out := map[string][]target{}
		for in := range cluster.All[*networkingv1.Ingress](s) {
			if in.DeletionTimestamp != nil || classOf(s, in).controller != nginxController || canary(in) {
				continue
			}
			for _, r := range routes(in) {
				svc, _ := cluster.Find[*corev1.Service](s, in.Namespace, r.to.Name)
				out[r.host] = append(out[r.host], target{in, r, svc})
			}
		}
		return out
	})
}
