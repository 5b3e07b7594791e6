package reach

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A target is one end and the port on it that a connection may lead to.
type target struct {
	Endpoint
	port    Port
	via     int32 // the Service's port, when that is another thing
	service *corev1.Service
}

// targets resolves what was asked to pods, addresses and their ports. When there is
// nothing to judge it sets the Answer's State.
func (a *Answer) targets(s *cluster.Snapshot, to Endpoint, ask Ask) ([]target, error) {
	switch {
	case to.Service != nil:
		return a.serviceTargets(s, to, ask)
	case to.Pod != nil:
		ports, err := podPorts(to, ask)
		var out []target
		for _, p := range ports {
			out = append(out, target{Endpoint: to, port: p})
		}
		return out, err
	case ask.Name != "":
		return nil, &PortError{To: to, Ask: ask}
	}
	return []target{{Endpoint: to, port: Port{protocolOr(ask.Protocol), ask.Number}}}, nil
}

// podPorts are the ports asked for on a pod: by number, by name, or all that it declares.
func podPorts(to Endpoint, ask Ask) ([]Port, error) {
	if ask.Number != 0 {
		return []Port{{protocolOr(ask.Protocol), ask.Number}}, nil
	}
	var out []Port
	var have []string
	for _, p := range containerPorts(to.Pod) {
		port := Port{protocolOr(p.Protocol), p.ContainerPort}
		if ask.Protocol != "" && ask.Protocol != port.Protocol {
			continue
		}
		if p.Name != "" {
			have = append(have, p.Name)
		}
		if (ask.Name == "" || p.Name == ask.Name) && !slices.Contains(out, port) {
			out = append(out, port)
		}
	}
	switch {
	case len(out) == 0 && ask.Name != "":
		return nil, &PortError{To: to, Ask: ask, Have: have}
	case len(out) == 0:
		return []Port{{protocolOr(ask.Protocol), 0}}, nil
	}
	return out, nil
}

func (a *Answer) serviceTargets(s *cluster.Snapshot, to Endpoint, ask Ask) ([]target, error) {
	svc := to.Service
	if svc.Spec.Type == corev1.ServiceTypeExternalName {
		a.undecided(fmt.Sprintf("%s only stands for the name %s; ask again with its address", to.Ref, svc.Spec.ExternalName))
		return nil, nil
	}
	headless := svc.Spec.ClusterIP == corev1.ClusterIPNone
	ports := servicePorts(svc, ask)
	if len(ports) == 0 && !(headless && ask.Number != 0) && (ask.given() || len(svc.Spec.Ports) > 0) {
		return nil, &PortError{To: to, Ask: ask, Have: portList(svc)}
	}
	behind, ready := backends(s, svc)
	switch {
	case len(behind) == 0:
		a.undecided(fmt.Sprintf("%s has no pod or address behind it", to.Ref))
		return nil, nil
	case !ready:
		a.note(fmt.Sprintf("%s has no ready endpoint: this is how it would be for the pods that it selects", to.Ref))
	}
	var out []target
	for _, end := range behind {
		if headless && ask.Number != 0 { // nothing translates: the client connects to the pod itself
			out = append(out, target{Endpoint: end, port: Port{protocolOr(ask.Protocol), ask.Number}, service: svc})
			continue
		}
		for _, p := range ports {
			if number, ok := targetPort(s, svc, p, end); ok {
				out = append(out, target{end, Port{protocolOr(p.Protocol), number}, p.Port, svc})
			}
		}
	}
	if len(out) == 0 {
		a.undecided(fmt.Sprintf("no pod behind %s has the port that it sends to", to.Ref))
	}
	return out, nil
}

// servicePorts are the ports of a Service that were asked for.
func servicePorts(svc *corev1.Service, ask Ask) []corev1.ServicePort {
	var out []corev1.ServicePort
	for _, p := range svc.Spec.Ports {
		if ask.Number != 0 && p.Port != ask.Number || ask.Name != "" && p.Name != ask.Name {
			continue
		}
		if ask.Protocol != "" && protocolOr(p.Protocol) != ask.Protocol {
			continue
		}
		out = append(out, p)
	}
	return out
}

func portList(svc *corev1.Service) []string {
	var out []string
	for _, p := range svc.Spec.Ports {
		text := fmt.Sprintf("%d/%s", p.Port, protocolOr(p.Protocol))
		if p.Name != "" {
			text += " (" + p.Name + ")"
		}
		out = append(out, text)
	}
	return out
}

// targetPort is the port of an end behind a Service that one of its ports is sent to.
func targetPort(s *cluster.Snapshot, svc *corev1.Service, p corev1.ServicePort, end Endpoint) (int32, bool) {
	switch {
	case end.Pod != nil && p.TargetPort.Type == intstr.String:
		return namedPort(end.Pod, p.TargetPort.StrVal, protocolOr(p.Protocol))
	case end.Pod != nil && p.TargetPort.IntVal != 0:
		return p.TargetPort.IntVal, true
	case end.Pod != nil:
		return p.Port, true
	}
	for slice := range slicesOf(s, svc) { // an address that somebody wrote there
		for _, sp := range slice.Ports {
			if sp.Port != nil && (sp.Name == nil && p.Name == "" || sp.Name != nil && *sp.Name == p.Name) {
				return *sp.Port, true
			}
		}
	}
	return 0, false
}

func slicesOf(s *cluster.Snapshot, svc *corev1.Service) func(func(*discoveryv1.EndpointSlice) bool) {
	return func(yield func(*discoveryv1.EndpointSlice) bool) {
		for slice := range cluster.In[*discoveryv1.EndpointSlice](s, svc.Namespace) {
			if slice.Labels[discoveryv1.LabelServiceName] == svc.Name && !yield(slice) {
				return
			}
		}
	}
}

// backends are the ends behind a Service: those that are ready, else, with ready false,
// those that would be, down to what the templates of selected workloads would make.
func backends(s *cluster.Snapshot, svc *corev1.Service) (ends []Endpoint, ready bool) {
	var waiting []Endpoint
	for slice := range slicesOf(s, svc) {
		for _, e := range slice.Endpoints {
			end, ok := endOf(s, svc, e)
			switch {
			case !ok || contains(ends, end):
			case e.Conditions.Ready == nil || *e.Conditions.Ready:
				ends = append(ends, end)
			default:
				waiting = append(waiting, end)
			}
		}
	}
	if len(ends) > 0 {
		return ends, true
	}
	seen := s.Sees(cluster.EndpointSlices, svc.Namespace)
	for _, pod := range s.PodsWith(svc.Namespace, svc.Spec.Selector) {
		if cluster.PodFinished(pod) || contains(waiting, OfPod(pod)) {
			continue
		}
		if cluster.PodReady(pod) && !seen {
			ends = append(ends, OfPod(pod))
		} else {
			waiting = append(waiting, OfPod(pod))
		}
	}
	if len(ends) > 0 {
		return ends, true
	}
	if len(waiting) == 0 && len(svc.Spec.Selector) > 0 {
		for _, w := range s.Workloads(svc.Namespace) {
			if t, ok := cluster.Template(w); ok && hasAll(t.Labels, svc.Spec.Selector) {
				if e, ok := OfWorkload(s, w); ok {
					waiting = append(waiting, e)
				}
			}
		}
	}
	return waiting, false
}

func endOf(s *cluster.Snapshot, svc *corev1.Service, e discoveryv1.Endpoint) (Endpoint, bool) {
	if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
		if pod, ok := cluster.Find[*corev1.Pod](s, svc.Namespace, e.TargetRef.Name); ok {
			return OfPod(pod), true
		}
	}
	if len(e.Addresses) == 0 {
		return Endpoint{}, false
	}
	ip, err := netip.ParseAddr(e.Addresses[0])
	if err != nil {
		return Endpoint{}, false
	}
	if e.TargetRef != nil && e.TargetRef.Kind == "Pod" { // it was not read, and so its labels are not known
		return Endpoint{Ref: cluster.Ref{APIVersion: "v1", Kind: "Pod", Namespace: svc.Namespace, Name: e.TargetRef.Name}, IP: ip.Unmap()}, true
	}
	end := OfIP(s, ip)
	if end.Service != nil {
		end = Endpoint{IP: ip.Unmap()}
	}
	return end, true
}

func contains(list []Endpoint, e Endpoint) bool {
	return slices.ContainsFunc(list, func(x Endpoint) bool { return x.Ref == e.Ref && x.IP == e.IP })
}

func hasAll(set, wanted map[string]string) bool {
	for k, v := range wanted {
		if have, ok := set[k]; !ok || have != v {
			return false
		}
	}
	return true
}
