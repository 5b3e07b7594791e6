package services

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// PendingLoadBalancer finds LoadBalancer Services that get no external address.
var PendingLoadBalancer = &analyzers.Analyzer{
	Name: "services/pending-load-balancer",
	Doc: `LoadBalancer Services that get no external address

A warning where nothing in the cluster serves load balancers at all: inside, and by its
node ports, the Service works.`,
	Needs: []schema.GroupKind{cluster.Services, cluster.Events, cluster.Nodes, cluster.Pods},
	Emits: []analyzers.Code{lbPending},
	Run:   pendingLoadBalancer,
}

const (
	// A cloud takes its time to make a load balancer.
	balancerTime = 3 * time.Minute
	// A controller that exists answers within seconds: the cloud's with the event
	// EnsuringLoadBalancer (k8s.io/cloud-provider controllers/service/controller.go),
	// MetalLB and the like with an address.
	answerTime = 10 * time.Second
)

func pendingLoadBalancer(p *analyzers.Pass) error {
	for svc := range cluster.Scoped[*corev1.Service](p.Snapshot) {
		if svc.Spec.Type != corev1.ServiceTypeLoadBalancer || len(svc.Status.LoadBalancer.Ingress) > 0 || svc.DeletionTimestamp != nil || operated(p.Snapshot, svc) {
			continue
		}
		age := p.Since(svc.CreationTimestamp.Time)
		if svc.CreationTimestamp.IsZero() || age < answerTime {
			continue // in a manifest nothing has a status
		}
		f := analyzers.Finding{
			Code:     lbPending,
			Subject:  cluster.RefOf(svc),
			Evidence: []analyzers.Evidence{{Source: cluster.RefOf(svc).String(), Path: "status.loadBalancer.ingress", Quote: "loadBalancer.ingress: none", At: svc.CreationTimestamp.Time}},
		}
		refusal, refused := p.LastEvent(svc, func(ev *corev1.Event) bool { return ev.Type == corev1.EventTypeWarning && balancerEvent(ev) })
		answer, answered := p.LastEvent(svc, balancerEvent)
		switch {
		// The newest word counts: EnsuringLoadBalancer after a failure is the next try.
		case refused && (age > balancerTime || cluster.EventCount(refusal) > 1):
			f.Summary = "Load balancer is not created: " + analyzers.Line(balancerError(refusal.Message), 130)
			f.Evidence = append(f.Evidence, analyzers.EventEvidence(cluster.RefOf(svc), refusal))
			f.Fixes = []analyzers.Fix{describe(p, svc, "Show all events of the load balancer's controller")}
		case age > balancerTime && answered:
			f.Summary = fmt.Sprintf("Load balancer has no address: its controller's last word is %s", answer.Reason)
			f.Evidence = append(f.Evidence, analyzers.EventEvidence(cluster.RefOf(svc), answer))
			f.Fixes = []analyzers.Fix{describe(p, svc, "Show all events of the load balancer's controller")}
		case answered || refused:
			continue
		default:
			who, served := balancerController(p.Snapshot, svc)
			if served && age < balancerTime {
				continue
			}
			withoutAnswer(&f, svc, who, served)
			f.Fixes = withoutAnswerFixes(p, svc, served)
		}
		p.Report(f)
	}
	return nil
}

// balancerEvent tells the events of load balancer controllers from others about a
// Service, such as those of the repair of addresses.
func balancerEvent(ev *corev1.Event) bool {
	switch ev.Reason {
	case "SyncLoadBalancerFailed", "EnsuringLoadBalancer", "EnsuredLoadBalancer", "UnAvailableLoadBalancer", "UpdateLoadBalancerFailed", // k8s.io/cloud-provider
		"FailedBuildModel", "FailedDeployModel", "SuccessfullyReconciled", // AWS Load Balancer Controller
		"AllocationFailed", "IPAllocated", "ClearAssignment": // MetalLB
		return true
	}
	return strings.Contains(ev.Reason, "LoadBalancer")
}

// balancerError drops what controllers put before the error itself.
func balancerError(msg string) string {
	for _, prefix := range []string{"Error syncing load balancer: ", "failed to ensure load balancer: ", "Failed deploy model due to ", "Failed build model due to "} {
		msg = strings.TrimPrefix(msg, prefix)
	}
	return strings.TrimSpace(msg)
}

// balancerController looks for signs of something that serves load balancers: another
// Service that got an address, nodes of a cloud, or one of the known programs.
func balancerController(s *cluster.Snapshot, svc *corev1.Service) (who string, ok bool) {
	for other := range cluster.All[*corev1.Service](s) {
		if other.Spec.Type == corev1.ServiceTypeLoadBalancer && len(other.Status.LoadBalancer.Ingress) > 0 && classOf(other) == classOf(svc) {
			return "it has given an address to " + cluster.RefOf(other).String(), true
		}
	}
	for node := range cluster.All[*corev1.Node](s) {
		if cloud, _, found := strings.Cut(node.Spec.ProviderID, "://"); found && !localProviders[cloud] {
			return "the nodes belong to the cloud " + cloud, true
		}
	}
	for pod := range cluster.All[*corev1.Pod](s) {
		for _, name := range balancerPrograms {
			if strings.HasPrefix(pod.Name, name) && live(pod) {
				return "it is " + s.Root(pod).String(), true
			}
		}
	}
	return "", false
}

// localProviders write a providerID and serve no load balancers by themselves.
var localProviders = map[string]bool{"kind": true, "kwok": true, "minikube": true, "baremetal": true, "metal3": true}

var balancerPrograms = []string{
	"metallb-", "controller-metallb", "speaker-", "kube-vip", "svclb-", "aws-load-balancer-controller", "cloud-controller-manager", "cloud-provider-",
	"openelb-", "purelb-", "cilium-operator", "loxilb", "hcloud-cloud-controller-manager", "openstack-cloud-controller-manager",
}

func classOf(svc *corev1.Service) string {
	if svc.Spec.LoadBalancerClass == nil {
		return ""
	}
	return *svc.Spec.LoadBalancerClass
}

func withoutAnswer(f *analyzers.Finding, svc *corev1.Service, who string, served bool) {
	class := classOf(svc)
	switch {
	case class != "":
		f.Summary = fmt.Sprintf("Load balancer stays pending: no controller answers for loadBalancerClass %s", class)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(svc).String(), Path: "spec.loadBalancerClass", Quote: "loadBalancerClass: " + class})
	case served:
		f.Summary = "Load balancer stays pending: its controller has not reacted to this Service"
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(svc).String(), Path: "controller", Quote: who})
	default:
		f.Severity = analyzers.Warning
		f.Summary = "Load balancer stays pending: nothing in this cluster serves load balancers, as on bare metal without MetalLB"
	}
}

func withoutAnswerFixes(p *analyzers.Pass, svc *corev1.Service, served bool) []analyzers.Fix {
	if served || classOf(svc) != "" {
		return []analyzers.Fix{describe(p, svc, "Show the Service and its events")}
	}
	data := `{"spec":{"type":"NodePort"}}`
	return []analyzers.Fix{
		{
			Why:   "Offer the Service on a port of every node, which needs no load balancer",
			Argv:  p.Kubectl(svc.Namespace, "patch", "service", svc.Name, "--type", "strategic", "-p", data),
			Patch: &analyzers.Patch{Target: cluster.RefOf(svc), Data: []byte(data)},
		},
		{
			Why:  "Reach the Service from this machine for a test",
			Argv: p.Kubectl(svc.Namespace, "port-forward", "service/"+svc.Name, forward(svc)),
		},
	}
}

func forward(svc *corev1.Service) string {
	if len(svc.Spec.Ports) == 0 {
		return "8080"
	}
	return fmt.Sprintf("8080:%d", svc.Spec.Ports[0].Port)
}

func describe(p *analyzers.Pass, svc *corev1.Service, why string) analyzers.Fix {
	return analyzers.Fix{Why: why, Argv: p.Kubectl(svc.Namespace, "describe", "service", svc.Name)}
}
