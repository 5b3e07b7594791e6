package cluster

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A Dependency is what an address means to a pod of one namespace.
type Dependency struct {
	Address
	// Service is what the address leads to, nil if to no Service of the Snapshot. Its
	// name may have named one of its pods ("db-0.db"), its address one of them.
	Service *corev1.Service
	// Pod is the pod that the address names, when it names one.
	Pod *corev1.Pod
	// Missing names the Service that the host name stands for and that does not exist.
	// It is zero when the Services of that namespace were not read, and for a host
	// outside the cluster.
	Missing Ref
}

// External reports whether the address is neither the pod itself nor anything that the
// Snapshot could hold.
func (d Dependency) External() bool {
	return !d.Local() && d.Service == nil && d.Pod == nil && d.Missing.IsZero()
}

// Dependency tells what an address means in a namespace, as the resolver of a pod reads
// it (search <namespace>.svc.<domain> svc.<domain> <domain>; k8s.io/kubernetes
// pkg/kubelet/network/dns/dns.go, generateSearchesForDNSClusterFirst).
func (s *Snapshot) Dependency(namespace string, a Address) Dependency {
	d := Dependency{Address: a}
	if a.Host == "" || d.Local() {
		return d
	}
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		s.byIP(&d, ip.String())
		return d
	}
	labels := strings.Split(a.Host, ".")
	switch i := slices.Index(labels, "svc"); {
	case i == 2 || i == 3: // name.namespace.svc, pod.name.namespace.svc
		s.byServiceName(&d, labels[i-2], labels[i-1], labels[:i-2])
	case len(labels) == 1:
		s.byServiceName(&d, labels[0], namespace, nil)
	case len(labels) == 2:
		if s.byServiceName(&d, labels[0], labels[1], nil); d.Service != nil {
			return d
		}
		// A pod of a headless Service in the same namespace: db-0.db.
		if svc, ok := Find[*corev1.Service](s, namespace, labels[1]); ok {
			d.Service, d.Missing = svc, Ref{}
			d.Pod, _ = Find[*corev1.Pod](s, namespace, labels[0])
			return d
		}
		if pod, ok := s.inSubdomain(namespace, labels[0], labels[1]); ok && s.Sees(Services, namespace) {
			d.Pod, d.Missing = pod, Ref{APIVersion: "v1", Kind: "Service", Namespace: namespace, Name: labels[1]}
			return d
		}
		if !s.HasNamespace(labels[1]) { // example.com
			d.Missing = Ref{}
		}
	case len(labels) == 3:
		if svc, ok := Find[*corev1.Service](s, labels[2], labels[1]); ok {
			d.Service = svc
			d.Pod, _ = Find[*corev1.Pod](s, labels[2], labels[0])
		}
	}
	return d
}

// inSubdomain finds the pod that a name such as db-0.db is to stand for: a name of a pod
// in a subdomain is one only while there is a headless Service of the subdomain's name.
func (s *Snapshot) inSubdomain(namespace, name, subdomain string) (*corev1.Pod, bool) {
	pod, ok := Find[*corev1.Pod](s, namespace, name)
	return pod, ok && pod.Spec.Subdomain == subdomain
}

// byServiceName looks for a Service by name and namespace; pod is the label in front, if any.
func (s *Snapshot) byServiceName(d *Dependency, name, namespace string, pod []string) {
	svc, ok := Find[*corev1.Service](s, namespace, name)
	if !ok {
		if s.Sees(Services, namespace) {
			d.Missing = Ref{APIVersion: "v1", Kind: "Service", Namespace: namespace, Name: name}
		}
		return
	}
	d.Service = svc
	if len(pod) == 1 {
		d.Pod, _ = Find[*corev1.Pod](s, namespace, pod[0])
	}
}

// ipIndex finds what has an address: Services before pods.
type ipIndex struct {
	once     sync.Once
	services map[string]*corev1.Service
	pods     map[string]*corev1.Pod
}

func (s *Snapshot) ipIndex() *ipIndex {
	s.note(Services)
	s.note(Pods)
	x := &s.lazy.ips
	x.once.Do(func() {
		x.services, x.pods = map[string]*corev1.Service{}, map[string]*corev1.Pod{}
		for _, o := range s.objects[Services] {
			svc := o.(*corev1.Service)
			ips := slices.Concat([]string{svc.Spec.ClusterIP}, svc.Spec.ClusterIPs, svc.Spec.ExternalIPs)
			for _, in := range svc.Status.LoadBalancer.Ingress {
				ips = append(ips, in.IP)
			}
			for _, ip := range ips {
				if x.services[ip] == nil {
					x.services[ip] = svc
				}
			}
		}
		for _, o := range s.objects[Pods] {
			pod := o.(*corev1.Pod)
			// Pods of the host network share their node's address: it names none of them.
			if pod.Spec.HostNetwork || PodFinished(pod) {
				continue
			}
			for _, ip := range append(podIPs(pod), pod.Status.PodIP) {
				if x.pods[ip] == nil {
					x.pods[ip] = pod
				}
			}
		}
	})
	return x
}

func podIPs(pod *corev1.Pod) []string {
	var out []string
	for _, p := range pod.Status.PodIPs {
		out = append(out, p.IP)
	}
	return out
}

func (s *Snapshot) byIP(d *Dependency, ip string) {
	x := s.ipIndex()
	if d.Service = x.services[ip]; d.Service != nil {
		return
	}
	if d.Pod = x.pods[ip]; d.Pod == nil {
		return
	}
	for svc := range In[*corev1.Service](s, d.Pod.Namespace) {
		if Selects(svc.Spec.Selector, d.Pod.Labels) {
			d.Service = svc
			return
		}
	}
}

// Selects reports whether a Service with this selector sends traffic to pods with these
// labels. One without a selector selects none.
func Selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return len(selector) > 0
}

// HasPort reports whether clients can connect to svc on this port. Port 0, an unnamed
// one, always fits. A headless Service has no ports of its own: any port of its pods does.
func HasPort(svc *corev1.Service, port int) bool {
	if port == 0 || svc.Spec.ClusterIP == corev1.ClusterIPNone || svc.Spec.Type == corev1.ServiceTypeExternalName {
		return true
	}
	return slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return int(p.Port) == port })
}

// Serving tells how many endpoints of svc take traffic and since when the first of them
// does (zero if not known). known is false when the Snapshot cannot tell: nothing was
// read that would, or the Service names a host outside the cluster.
func (s *Snapshot) Serving(svc *corev1.Service) (ready int, since time.Time, known bool) {
	if svc.Spec.Type == corev1.ServiceTypeExternalName {
		return 0, time.Time{}, false
	}
	first := func(t time.Time) {
		if !t.IsZero() && (since.IsZero() || t.Before(since)) {
			since = t
		}
	}
	if !s.Sees(EndpointSlices, svc.Namespace) {
		if len(svc.Spec.Selector) == 0 || !s.Sees(Pods, svc.Namespace) {
			return 0, time.Time{}, false
		}
		for _, pod := range s.PodsWith(svc.Namespace, svc.Spec.Selector) {
			if PodReady(pod) {
				ready++
				first(readySince(pod))
			}
		}
		return ready, since, true
	}
	for slice := range In[*discoveryv1.EndpointSlice](s, svc.Namespace) {
		if slice.Labels[discoveryv1.LabelServiceName] != svc.Name {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready { // nil means ready
				continue
			}
			// A Service that publishes pods that are not ready calls all of them ready.
			if e.Conditions.Serving != nil && !*e.Conditions.Serving {
				continue
			}
			ready++
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
				if pod, ok := Find[*corev1.Pod](s, svc.Namespace, e.TargetRef.Name); ok {
					first(readySince(pod))
				}
			}
		}
	}
	return ready, since, true
}

func readySince(pod *corev1.Pod) time.Time {
	if c := PodCondition(pod, corev1.PodReady); c != nil && c.Status == corev1.ConditionTrue {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// Declares reports whether a pod that svc selects declares the port that svc sends this
// port to, by name or number. A Service may send to a port that no container declares,
// but then only the program knows whether it is right.
func (s *Snapshot) Declares(svc *corev1.Service, port int) bool {
	for _, p := range svc.Spec.Ports {
		if port != 0 && int(p.Port) != port {
			continue
		}
		target := p.TargetPort
		if target.Type == intstr.Int && target.IntVal == 0 {
			target = intstr.FromInt32(p.Port)
		}
		for _, pod := range s.PodsWith(svc.Namespace, svc.Spec.Selector) {
			for _, c := range Containers(&pod.Spec) {
				for _, cp := range c.Ports {
					if target.Type == intstr.String && cp.Name == target.StrVal || target.Type == intstr.Int && cp.ContainerPort == target.IntVal {
						return true
					}
				}
			}
		}
	}
	return false
}
