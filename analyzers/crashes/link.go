package crashes

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A link is a connection that a program could not make, and how the other side is now.
type link struct {
	cluster.Dependency
	how   cluster.Outage
	from  string // namespace of the program
	ready int    // endpoints of the Service
	known bool   // ready is known
	// since is when the Service began to serve, if that was after the crash.
	since time.Time
	port  bool // the Service has the port
	fits  bool // a container declares the port behind it
	// server is the name server that was asked and did not answer well; silent tells that
	// it did not answer at all.
	server analyzers.Ref
	silent bool
}

// linkOf reads the address out of the reason of a crash; ok is false when it names none.
func linkOf(p *analyzers.Pass, c crash, r reason) (link, bool) {
	a, how, ok := cluster.FailedConnection(r.Detail)
	if !ok {
		return link{}, false
	}
	return newLink(p.Snapshot, c.pod.Namespace, a, how, c.end.FinishedAt.Time).heard(p.Snapshot, r.Detail), true
}

// heard notes that it was the name server that failed, and not the other side.
func (l link) heard(s *cluster.Snapshot, text string) link {
	if x, ok := cluster.FailedLookup(text); ok && x.Unanswered() {
		l.how, l.silent = cluster.NameUnknown, x.Answer == cluster.NoAnswer
		l.server, _ = s.Asked(x.Server)
	}
	return l
}

func newLink(s *cluster.Snapshot, namespace string, a cluster.Address, how cluster.Outage, at time.Time) link {
	l := link{Dependency: s.Dependency(namespace, a), how: how, from: namespace, port: true}
	if l.Service == nil {
		return l
	}
	var since time.Time
	l.ready, since, l.known = s.Serving(l.Service)
	l.port = cluster.HasPort(l.Service, l.Port)
	l.fits = s.Declares(l.Service, l.Port)
	if l.ready > 0 && !at.IsZero() && since.After(at) {
		l.since = since
	}
	return l
}

// down reports whether the other side, and not the program, is to blame as far as the
// Snapshot can tell. A Service that has the port and has been serving all along refuses
// nobody: then the line is about something else. Silence is different, a network policy
// may be behind it, and a name that cannot be resolved is the name server's matter.
func (l link) down() bool {
	switch {
	case l.Service == nil || !l.known || l.ready == 0 || !l.port || !l.since.IsZero():
		return true
	case l.how == cluster.ConnTimedOut || l.how == cluster.ConnUnreachable || l.how == cluster.NameUnknown:
		return true
	}
	return l.how == cluster.ConnRefused && !l.fits
}

// text says why the connection failed, as the end of a sentence.
func (l link) text(p *analyzers.Pass) string {
	switch {
	case l.Local():
		return fmt.Sprintf("nothing answers on %s, which is the pod itself", l.Address)
	case l.silent && !l.server.IsZero() && l.Service == nil:
		return fmt.Sprintf("it cannot resolve %s: %s %s does not answer", l.Host, l.server.Kind, l.server.Name)
	case !l.Missing.IsZero():
		return l.missing(p)
	case l.Service == nil:
		return l.outside(p)
	case l.Service.Spec.Type == corev1.ServiceTypeExternalName:
		return fmt.Sprintf("%s; %s only stands for the name %s", l.failure(), l.service(), l.Service.Spec.ExternalName)
	case l.known && l.ready == 0:
		return fmt.Sprintf("%s, and %s has no ready endpoint", l.failure(), l.service())
	case !l.port:
		return fmt.Sprintf("it connects to port %d of %s, which has only %s", l.Port, l.service(), ports(l.Service))
	case !l.since.IsZero():
		return fmt.Sprintf("%s; %s has become ready since", l.failed(), l.service())
	case l.known && l.how == cluster.NameUnknown:
		return fmt.Sprintf("it cannot resolve %s, although %s has ready endpoints", l.Host, l.service())
	case l.known && l.how == cluster.ConnRefused:
		return fmt.Sprintf("%s, and no container behind %s declares its port", l.failure(), l.service())
	case l.known:
		return fmt.Sprintf("%s, although %s has ready endpoints", l.failure(), l.service())
	}
	return l.failure()
}

// at is the address as a summary names it: that of a pod changes with each pod.
func (l link) at() string {
	if _, err := netip.ParseAddr(l.Host); err != nil || l.Pod == nil {
		return l.Address.String()
	}
	of := "a pod"
	if l.Service != nil {
		of += " of " + l.service()
	}
	if l.Port == 0 {
		return of
	}
	return fmt.Sprintf("port %d of %s", l.Port, of)
}

// failure is what happens at the address.
func (l link) failure() string {
	switch l.how {
	case cluster.ConnRefused:
		return l.at() + " refuses the connection"
	case cluster.ConnTimedOut:
		return l.at() + " does not answer"
	case cluster.ConnUnreachable:
		return "there is no route to " + l.at()
	case cluster.NameUnknown:
		return l.Host + " cannot be resolved"
	case cluster.ConnClosed:
		return l.at() + " closes the connection"
	}
	return "it cannot connect to " + l.at()
}

// failed is failure in the past.
func (l link) failed() string {
	switch l.how {
	case cluster.ConnRefused:
		return l.at() + " refused the connection"
	case cluster.NameUnknown:
		return l.Host + " could not be resolved"
	}
	return "it could not connect to " + l.at()
}

// service names the Service, with its namespace if that is another one.
func (l link) service() string {
	if l.Service.Namespace != l.from {
		return "Service " + l.Service.Namespace + "/" + l.Service.Name
	}
	return "Service " + l.Service.Name
}

// subdomain reports whether the address names a pod that exists, in a subdomain for
// which there is no Service.
func (l link) subdomain() bool { return l.Pod != nil && l.Service == nil && !l.Missing.IsZero() }

func (l link) missing(p *analyzers.Pass) string {
	if l.subdomain() {
		return fmt.Sprintf("%s, as there is no Service %s, the subdomain of that pod", l.failure(), l.Missing.Name)
	}
	text := fmt.Sprintf("Service %s does not exist in namespace %s", l.Missing.Name, l.Missing.Namespace)
	if near, ok := l.near(p); ok {
		text += ", where there is " + near
		if strings.Contains(near, ".") {
			text = fmt.Sprintf("Service %s does not exist in namespace %s, only %s", l.Missing.Name, l.Missing.Namespace, near)
		}
	}
	return text
}

// near is the name of the Service that was probably meant: one of nearly the same name,
// or of the same name in one other namespace.
func (l link) near(p *analyzers.Pass) (string, bool) {
	var names, elsewhere []string
	for svc := range cluster.All[*corev1.Service](p.Snapshot) {
		switch {
		case svc.Namespace == l.Missing.Namespace:
			names = append(names, svc.Name)
		case svc.Name == l.Missing.Name:
			elsewhere = append(elsewhere, svc.Name+"."+svc.Namespace)
		}
	}
	if len(elsewhere) == 1 {
		return elsewhere[0], true
	}
	return analyzers.Nearest(l.Missing.Name, names)
}

func (l link) outside(p *analyzers.Pass) string {
	_, err := netip.ParseAddr(l.Host)
	ip := err == nil
	if ip && l.Pod == nil && p.Sees(cluster.Services, "") && p.Sees(cluster.Pods, "") {
		return l.failure() + ", an address of no Service and no pod here"
	}
	if !ip && l.how != cluster.NameUnknown {
		return l.failure() + ", a host outside the cluster"
	}
	return l.failure()
}

func ports(svc *corev1.Service) string {
	var out []string
	for _, p := range svc.Spec.Ports {
		out = append(out, fmt.Sprint(p.Port))
	}
	if len(out) == 0 {
		return "no port"
	}
	return strings.Join(out, ", ")
}

// behind are the objects that are known to stand behind the failure, and the sentence
// about the first of them.
func (l link) behind(p *analyzers.Pass) (refs []analyzers.Ref, shared string) {
	if dns, ok := p.NamesDown(); ok && l.how == cluster.NameUnknown {
		return []analyzers.Ref{cluster.RefOf(dns)}, "No server of the cluster's DNS takes queries"
	}
	switch {
	case l.silent && !l.server.IsZero():
		return []analyzers.Ref{l.server}, fmt.Sprintf("%s %s does not answer when it is asked for names", l.server.Kind, l.server.Name)
	case l.subdomain():
		set := p.Root(l.Pod)
		return []analyzers.Ref{set}, fmt.Sprintf("Service %s, which %s %s names as its own, does not exist", l.Missing.Name, set.Kind, set.Name)
	case !l.server.IsZero() && l.Service == nil && l.Missing.IsZero():
		return []analyzers.Ref{l.server}, "" // its upstream may be the cause; alone that is no verdict
	case l.Service == nil || !l.since.IsZero() || !l.port:
		return nil, ""
	case l.Service.Spec.Type == corev1.ServiceTypeExternalName:
		return []analyzers.Ref{cluster.RefOf(l.Service)}, fmt.Sprintf("Service %s stands for %s, which cannot be reached", l.Service.Name, l.Service.Spec.ExternalName)
	case l.known && l.ready == 0:
		return []analyzers.Ref{cluster.RefOf(l.Service)}, fmt.Sprintf("Service %s has no ready endpoint", l.Service.Name)
	case l.how == cluster.ConnRefused && !l.fits:
		return []analyzers.Ref{cluster.RefOf(l.Service)}, fmt.Sprintf("Service %s refuses connections on port %d", l.Service.Name, l.Port)
	case l.known && l.how == cluster.NameUnknown:
		if dns, ok := cluster.Find[*corev1.Service](p.Snapshot, "kube-system", "kube-dns"); ok {
			return []analyzers.Ref{cluster.RefOf(dns)}, "Names of Services that exist cannot be resolved"
		}
	}
	return nil, ""
}

// evidence says how the Service is.
func (l link) evidence() []analyzers.Evidence {
	if l.Service == nil || !l.known {
		return nil
	}
	e := analyzers.Evidence{Source: cluster.RefOf(l.Service).String(), Path: "endpoints", Quote: fmt.Sprintf("ready endpoints: %d", l.ready), At: l.since}
	if !l.port {
		e.Path, e.Quote = "spec.ports", "port: "+ports(l.Service)
	}
	return []analyzers.Evidence{e}
}

// fixes bring the connection about.
func (l link) fixes(p *analyzers.Pass, c crash) []analyzers.Fix {
	switch {
	case l.subdomain():
		return []analyzers.Fix{{Why: fmt.Sprintf("List the Services that exist; a headless one called %s is missing", l.Missing.Name), Argv: p.Kubectl(l.Missing.Namespace, "get", "services")}}
	case !l.Missing.IsZero():
		if near, ok := l.near(p); ok {
			if fix, ok := renames(p, c, l.Host, near); ok {
				return []analyzers.Fix{fix}
			}
			return []analyzers.Fix{{Why: fmt.Sprintf("Change %s to %s where the program's settings name it", l.Host, near), Argv: p.Kubectl(c.subject.Namespace, "edit", c.subject.Short())}}
		}
		return []analyzers.Fix{{Why: "List the Services that exist, to create the missing one or name the right one", Argv: p.Kubectl(l.Missing.Namespace, "get", "services")}}
	case l.Service != nil && !l.port && !l.Local():
		return []analyzers.Fix{{Why: fmt.Sprintf("Correct the port where the program's settings name %s: Service %s has %s", l.Address, l.Service.Name, ports(l.Service)), Argv: p.Kubectl(c.subject.Namespace, "edit", c.subject.Short())}}
	case l.Local() || l.Service == nil:
		return []analyzers.Fix{{Why: fmt.Sprintf("Correct the address %s, if the program should use another one", l.Address), Argv: p.Kubectl(c.subject.Namespace, "edit", c.subject.Short())}}
	case l.Service.Spec.Type == corev1.ServiceTypeExternalName:
		return []analyzers.Fix{{Why: fmt.Sprintf("Set externalName of Service %s to a host that exists and answers; it is %s", l.Service.Name, l.Service.Spec.ExternalName), Argv: p.Kubectl(l.Service.Namespace, "edit", "service", l.Service.Name)}}
	case l.known && l.ready == 0:
		if fix, ok := l.scaleUp(p); ok {
			return []analyzers.Fix{fix}
		}
		return []analyzers.Fix{{Why: "Show the Service; the program comes up by itself once one of its pods is ready", Argv: p.Kubectl(l.Service.Namespace, "describe", "service", l.Service.Name)}}
	case !l.since.IsZero():
		return []analyzers.Fix{{Why: "Delete the pod, so that the program starts now and not after the back-off", Argv: p.Kubectl(c.pod.Namespace, "delete", "pod", c.pod.Name)}}
	}
	return []analyzers.Fix{{Why: "Show the Service's ports and endpoints; a network policy may block the way to them", Argv: p.Kubectl(l.Service.Namespace, "describe", "service", l.Service.Name)}}
}

// scaleUp is the fix for a Service whose workload has no replicas.
func (l link) scaleUp(p *analyzers.Pass) (analyzers.Fix, bool) {
	if len(l.Service.Spec.Selector) == 0 {
		return analyzers.Fix{}, false
	}
	sel := labels.SelectorFromSet(l.Service.Spec.Selector)
	for _, w := range p.Workloads(l.Service.Namespace) {
		t, ok := cluster.Template(w)
		if n, scales := cluster.Replicas(w); ok && scales && n == 0 && sel.Matches(labels.Set(t.Labels)) && w.GetObjectKind().GroupVersionKind().Kind != "DaemonSet" {
			ref := cluster.RefOf(w)
			return analyzers.Fix{Why: fmt.Sprintf("Scale up %s, which stands behind Service %s and has 0 replicas", ref.Short(), l.Service.Name), Argv: p.Kubectl(ref.Namespace, "scale", ref.Short(), "--replicas=1")}, true
		}
	}
	return analyzers.Fix{}, false
}

// renames is the fix for a host name that stands in a variable of the container.
func renames(p *analyzers.Pass, c crash, from, to string) (analyzers.Fix, bool) {
	if !cluster.RollsOut(c.subject) {
		return analyzers.Fix{}, false
	}
	for _, e := range c.container.Env {
		if strings.ContainsAny(e.Value, "@*<") {
			continue // holds a password, or the mask of one: it must not be written back
		}
		if i := strings.Index(e.Value, from); i >= 0 && !partOfName(e.Value, i, len(from)) {
			value := strings.Replace(e.Value, from, to, 1)
			return analyzers.Fix{Why: fmt.Sprintf("Make the program connect to %s", to), Argv: p.Kubectl(c.subject.Namespace, "set", "env", c.subject.Short(), "-c", c.status.Name, e.Name+"="+value)}, true
		}
	}
	return analyzers.Fix{}, false
}

// partOfName reports whether s[i:i+n] is only a part of a longer name.
func partOfName(s string, i, n int) bool {
	letter := func(b byte) bool {
		return b == '-' || b == '.' || b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
	}
	return i > 0 && letter(s[i-1]) || i+n < len(s) && letter(s[i+n])
}
