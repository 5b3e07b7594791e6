package netpol

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

// CutOff reports policies that cut a failing program off from what it connects to. Both
// must be so: the program says that the connection fails in the way that a policy lets it
// fail, and the policies surely deny it. A program that is well, and a policy that denies
// what nobody asks for, are no findings.
var CutOff = &analyzers.Analyzer{
	Name:  "netpol/cut-off",
	Doc:   "network policies that cut a failing program off from what it connects to",
	Needs: evaluated(),
	Emits: []analyzers.Code{defaultDeny, selectorMistake, ipBlockExternal},
	Run: func(p *analyzers.Pass) error {
		guesses := map[string][]denial{}
		for _, a := range attempts(p) {
			if !a.silence(p) {
				continue
			}
			d, ok := denied(p, a)
			switch {
			case !ok:
			case a.guessed != "":
				key := cluster.RefOf(a.pod).String() + " " + a.guessed
				guesses[key] = append(guesses[key], d)
			default:
				d.report(p)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(guesses)) {
			if len(guesses[key]) == 1 { // of several, nobody knows which one it waits for
				guesses[key][0].report(p)
			}
		}
		return nil
	},
}

// evaluated are the kinds that package reach reads, and more.
func evaluated(more ...schema.GroupKind) []schema.GroupKind {
	return append(append(more, cluster.Pods, cluster.Services, cluster.EndpointSlices, cluster.Nodes, cluster.Namespaces, cluster.DaemonSets, cluster.NetworkPolicies),
		reach.ForeignKinds()...)
}

// A denial is an attempt that policies surely deny.
type denial struct {
	attempt
	end  reach.Endpoint
	name string // of the destination, in a summary
	hop  reach.Hop
}

func denied(p *analyzers.Pass, a attempt) (denial, bool) {
	to, name, ok := destination(p, a)
	if !ok {
		return denial{}, false
	}
	answer, err := reach.Evaluate(p.Snapshot, reach.OfPod(a.pod), to, reach.Ask{Number: int32(a.to.Port)})
	if err != nil || answer.State != reach.Denied {
		return denial{}, false // a Service without such a port is another fault
	}
	for _, h := range answer.Hops { // the others are cut off alike
		if h.State == reach.Denied {
			return denial{attempt: a, end: to, name: name, hop: h}, true
		}
	}
	return denial{}, false
}

// aside are words of connections that a program does without: it says that its spans and
// metrics go nowhere, and dies of something else.
var aside = regexp.MustCompile(`(?i)telemetry|\botel|otlp|opentelemetry|\bspans?\b|metrics|statsd|sentry|jaeger|zipkin|datadog|newrelic|\bapm\b`)

func (d denial) report(p *analyzers.Pass) {
	client := p.Root(d.pod)
	for _, side := range d.hop.Denies() {
		c := cut{side: side, client: client, target: d.name, ask: question(client, d.end, d.to.Port)}
		f := c.finding(p, d.pod, d.evidence)
		if aside.MatchString(d.evidence.Quote) || aside.MatchString(d.to.Host) {
			f.Severity, f.Affected = analyzers.Warning, nil
		}
		if asked(p, f, d.pod) {
			p.Report(f)
		}
	}
}

// destination is what an address means to the pod, and its name in a summary. ok is false
// for what has a fault of its own: a missing Service, one without a ready pod.
func destination(p *analyzers.Pass, a attempt) (to reach.Endpoint, name string, ok bool) {
	d := p.Dependency(a.pod.Namespace, a.to)
	switch {
	case d.Local() || !d.Missing.IsZero():
		return to, "", false
	case d.Pod != nil:
		if !cluster.PodReady(d.Pod) {
			return to, "", false
		}
		return reach.OfPod(d.Pod), withPort(local(p.Root(d.Pod), a.pod.Namespace), a.to.Port), true
	case d.Service != nil:
		if ready, _, known := p.Serving(d.Service); known && ready == 0 {
			return to, "", false
		}
		return reach.OfService(d.Service), withPort(local(cluster.RefOf(d.Service), a.pod.Namespace), a.to.Port), true
	}
	if ip, err := netip.ParseAddr(a.to.Host); err == nil {
		return reach.OfIP(p.Snapshot, ip), a.to.String(), true
	}
	return reach.Endpoint{Host: a.to.Host}, a.to.String(), a.to.Port != 0
}

// local names an object as seen from a namespace.
func local(ref cluster.Ref, namespace string) string {
	if ref.Namespace == namespace {
		return ref.Kind + " " + ref.Name
	}
	return ref.String()
}

func withPort(name string, port int) string {
	if port == 0 {
		return name
	}
	return fmt.Sprintf("%s on port %d", name, port)
}

// question is the connection as fathom reach takes it.
func question(client cluster.Ref, to reach.Endpoint, port int) []string {
	text := to.Host
	switch {
	case to.IP.IsValid():
		text = to.IP.String()
	case to.Pod != nil || to.Service != nil:
		text = to.Ref.Namespace + "/" + to.Ref.Short()
	}
	out := []string{client.Namespace + "/" + client.Short(), text}
	if port != 0 {
		out = append(out, "--port", fmt.Sprint(port))
	}
	return out
}
