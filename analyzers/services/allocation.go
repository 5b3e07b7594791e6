package services

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// AddressClash finds Services whose cluster IP or node port is not theirs alone.
var AddressClash = &analyzers.Analyzer{
	Name: "services/address-clash",
	Doc: `Services whose cluster IP or node port is taken twice or out of range

The API server's repair loops say so by events, again and again while it is so. A Service
that was refused an address at creation does not exist, and leaves no trace.`,
	Needs: []schema.GroupKind{cluster.Services, cluster.Events},
	Emits: []analyzers.Code{addressClash},
	Run:   addressClashes,
}

// repairTime is well beyond the interval of the repair loops, 3 minutes for node ports
// (k8s.io/kubernetes pkg/controlplane/instance.go, repairLoopInterval) and the
// informer's resync for addresses.
const repairTime = 15 * time.Minute

// clashReasons are of k8s.io/kubernetes pkg/registry/core/service/ipallocator/controller
// (repair.go, repairip.go) and portallocator/controller/repair.go. ClusterIPNotAllocated
// and PortNotAllocated are left out: the loop mends those itself.
var clashReasons = []string{
	"ClusterIPAlreadyAllocated", "ClusterIPOutOfRange", "ClusterIPNotValid", "ServiceCIDRFull", "PortAlreadyAllocated", "PortOutOfRange", "PortRangeFull",
}

func addressClashes(p *analyzers.Pass) error {
	for svc := range cluster.Scoped[*corev1.Service](p.Snapshot) {
		ev, ok := p.LastEvent(svc, func(ev *corev1.Event) bool { return stillSo(svc, ev) }, clashReasons...)
		if !ok || svc.DeletionTimestamp != nil || p.Since(cluster.EventTime(ev)) > repairTime {
			continue
		}
		f := analyzers.Finding{
			Code:     addressClash,
			Subject:  cluster.RefOf(svc),
			Summary:  "Address of the Service is not its own: " + analyzers.Line(ev.Message, 130),
			Evidence: []analyzers.Evidence{analyzers.EventEvidence(cluster.RefOf(svc), ev)},
			Fixes: []analyzers.Fix{{
				Why:  "Save the Service, then recreate it without clusterIP and nodePort, so that it gets new ones",
				Argv: p.Kubectl(svc.Namespace, "get", "service", svc.Name, "-o", "yaml"),
			}},
		}
		if other, ok := twin(p.Snapshot, svc); ok {
			f.Evidence = append(f.Evidence, other)
		}
		p.Report(f)
	}
	return nil
}

// stillSo reports whether an event is about an address or port that the Service still has.
func stillSo(svc *corev1.Service, ev *corev1.Event) bool {
	for _, ip := range append(slices.Clone(svc.Spec.ClusterIPs), svc.Spec.ClusterIP) {
		if ip != "" && ip != corev1.ClusterIPNone && strings.Contains(ev.Message, ip) {
			return true
		}
	}
	for _, port := range svc.Spec.Ports {
		if port.NodePort != 0 && strings.Contains(ev.Message, fmt.Sprintf("Port %d ", port.NodePort)) {
			return true
		}
	}
	return strings.Contains(ev.Message, " is full")
}

// twin finds the Service that has the same address or node port.
func twin(s *cluster.Snapshot, svc *corev1.Service) (analyzers.Evidence, bool) {
	for other := range cluster.All[*corev1.Service](s) {
		if other.UID == svc.UID && other.Name == svc.Name && other.Namespace == svc.Namespace {
			continue
		}
		if ip := svc.Spec.ClusterIP; ip != "" && ip != corev1.ClusterIPNone && other.Spec.ClusterIP == ip {
			return analyzers.Evidence{Source: cluster.RefOf(other).String(), Path: "spec.clusterIP", Quote: "clusterIP: " + ip}, true
		}
		for _, a := range svc.Spec.Ports {
			for _, b := range other.Spec.Ports {
				if a.NodePort != 0 && a.NodePort == b.NodePort && protocol(a.Protocol) == protocol(b.Protocol) {
					return analyzers.Evidence{Source: cluster.RefOf(other).String(), Path: "spec.ports[*].nodePort", Quote: fmt.Sprintf("nodePort: %d", a.NodePort)}, true
				}
			}
		}
	}
	return analyzers.Evidence{}, false
}
