package controlplane

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// APIService finds aggregated APIs that are registered and not served.
var APIService = &analyzers.Analyzer{
	Name: "controlplane/api-service",
	Doc: `aggregated APIs that are registered and that nothing serves

As long as one is broken, namespaces cannot be deleted to the end, and discovery by
clients reports errors. The APIs of metrics are judged with autoscaling.`,
	Needs: []schema.GroupKind{cluster.APIServices, cluster.Services, cluster.Namespaces},
	Emits: []analyzers.Code{apiUnavailable},
	Run:   runAPIService,
}

// apiService is what is read of an APIService (k8s.io/kube-aggregator
// pkg/apis/apiregistration/v1/types.go). Those without a Service are the API server's own.
type apiService struct {
	Spec struct {
		Group    string `json:"group"`
		Version  string `json:"version"`
		CABundle string `json:"caBundle"`
		Service  *struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
			Port      *int64 `json:"port"`
		} `json:"service"`
	} `json:"spec"`
	Status struct {
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type condition struct {
	Type               string      `json:"type"`
	Status             string      `json:"status"`
	Reason             string      `json:"reason"`
	Message            string      `json:"message"`
	LastTransitionTime metav1.Time `json:"lastTransitionTime"`
}

// elsewhere are the groups that the checks of autoscaling judge.
var elsewhere = []string{"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"}

// installing is how long an extension server may take from its registration to its first
// answer.
const installing = 90 * time.Second

func runAPIService(p *analyzers.Pass) error {
	for o := range cluster.Of(p.Snapshot, cluster.APIServices) {
		api, err := cluster.As[apiService](o)
		if err != nil || api.Spec.Service == nil || slices.Contains(elsewhere, api.Spec.Group) || o.GetDeletionTimestamp() != nil {
			continue
		}
		i := slices.IndexFunc(api.Status.Conditions, func(c condition) bool { return c.Type == "Available" })
		if i < 0 {
			continue
		}
		// Unknown says that the aggregator could not look, not that nothing is there.
		if c := api.Status.Conditions[i]; c.Status == "False" && p.Since(c.LastTransitionTime.Time) > installing {
			p.Report(unavailable(p, o, api, c))
		}
	}
	return nil
}

// unavailable words the reasons of k8s.io/kube-aggregator
// pkg/controllers/status/remote/remote_available_controller.go.
func unavailable(p *analyzers.Pass, o cluster.Object, api apiService, c condition) analyzers.Finding {
	to := api.Spec.Service
	service := analyzers.Ref{APIVersion: "v1", Kind: "Service", Namespace: to.Namespace, Name: to.Name}
	where := to.Namespace + "/" + to.Name
	f := analyzers.Finding{
		Code: apiUnavailable, Subject: cluster.RefOf(o), CausedBy: []analyzers.Ref{service},
		Shared:   fmt.Sprintf("Service %s does not serve the aggregated APIs that are registered for it", where),
		Evidence: []analyzers.Evidence{{Source: cluster.RefOf(o).String(), Path: "status.conditions[Available]", Quote: analyzers.Quote(c.Reason + ": " + c.Message), At: c.LastTransitionTime.Time}},
	}
	// Who asks about one namespace hears of an API of another one, and it is not what
	// stops that namespace.
	if !p.InScope(to.Namespace) {
		f.Severity = analyzers.Warning
	}
	name := api.Spec.Group + "/" + api.Spec.Version
	var why string
	switch c.Reason {
	case "ServiceNotFound":
		why = fmt.Sprintf("Service %s does not exist", where)
		f.Fixes = missingService(p, o, to.Namespace, to.Name)
	case "ServicePortError":
		why = fmt.Sprintf("Service %s has no port %d", where, *orDefault(to.Port))
		f.Fixes = wrongPort(p, o, to.Namespace, to.Name)
	case "EndpointsNotFound", "MissingEndpoints":
		why = fmt.Sprintf("Service %s has no ready pod", where)
		f.Fixes = []analyzers.Fix{{Why: "Show the Service behind the API and its endpoints", Argv: p.Kubectl(to.Namespace, "describe", "service", to.Name)}}
	default:
		why = discoveryFailure(c.Message, where)
		f.Fixes = []analyzers.Fix{
			{Why: "Ask the API as the API server does", Argv: p.Kubectl("", "get", "--raw", "/apis/"+name)},
			{Why: "Show the Service behind the API and its endpoints", Argv: p.Kubectl(to.Namespace, "describe", "service", to.Name)},
		}
	}
	f.Summary = analyzers.Line(fmt.Sprintf("API %s is not served: %s", name, why), analyzers.MaxSummary)
	if held, e := heldNamespaces(p.Snapshot, name); len(held) > 0 {
		f.Affected = held
		f.Evidence = append(f.Evidence, e)
	}
	return f
}

// heldNamespaces are those that are being deleted and wait for this API to be listed
// (k8s.io/kubernetes pkg/controller/namespace/deletion/status_condition_utils.go).
func heldNamespaces(s *cluster.Snapshot, name string) (out []analyzers.Ref, first analyzers.Evidence) {
	for ns := range cluster.All[*corev1.Namespace](s) {
		for _, c := range ns.Status.Conditions {
			if ns.DeletionTimestamp == nil || c.Type != corev1.NamespaceDeletionDiscoveryFailure || c.Status != corev1.ConditionTrue || !strings.Contains(c.Message, " "+name+":") {
				continue
			}
			if out = append(out, cluster.RefOf(ns)); len(out) == 1 {
				first = analyzers.Evidence{Source: out[0].String(), Path: "status.conditions[" + string(c.Type) + "]", Quote: analyzers.Quote(c.Message), At: c.LastTransitionTime.Time}
			}
		}
	}
	return out, first
}

func orDefault(port *int64) *int64 {
	if port == nil {
		port = new(int64)
		*port = 443 // k8s.io/kube-aggregator pkg/apis/apiregistration/v1/defaults.go
	}
	return port
}

// discoveryFailure says in a few words what "failing or missing response from URL: …"
// says at length.
func discoveryFailure(message, where string) string {
	switch {
	case strings.Contains(message, "x509:"):
		_, cert, _ := strings.Cut(message, "x509: ")
		return fmt.Sprintf("the API server does not trust the certificate of Service %s: %s", where, analyzers.Line(cert, 60))
	case strings.Contains(message, "connection refused"):
		return fmt.Sprintf("Service %s refuses the connection", where)
	case strings.Contains(message, "context deadline exceeded"), strings.Contains(message, "Client.Timeout"), strings.Contains(message, "i/o timeout"), strings.Contains(message, "timed out waiting"):
		return fmt.Sprintf("Service %s does not answer the API server in time", where)
	case strings.Contains(message, "bad status from"):
		return fmt.Sprintf("Service %s answers with status %s", where, analyzers.Line(message[strings.LastIndex(message, ": ")+2:], 10))
	}
	return fmt.Sprintf("Service %s does not answer the API server", where)
}

func missingService(p *analyzers.Pass, o cluster.Object, namespace, name string) []analyzers.Fix {
	gone := analyzers.Fix{
		Why:  "Remove the registration, if the extension that it is of was uninstalled",
		Argv: p.Kubectl("", "delete", "apiservice", o.GetName()),
	}
	var names []string
	for svc := range cluster.In[*corev1.Service](p.Snapshot, namespace) {
		names = append(names, svc.Name)
	}
	near, ok := analyzers.Nearest(name, names)
	if !ok {
		return []analyzers.Fix{gone}
	}
	return []analyzers.Fix{mergePatch(p, o, fmt.Sprintf("Send the requests to Service %s, which exists", near), map[string]any{"service": map[string]any{"name": near}}), gone}
}

func wrongPort(p *analyzers.Pass, o cluster.Object, namespace, name string) []analyzers.Fix {
	svc, ok := cluster.Find[*corev1.Service](p.Snapshot, namespace, name)
	if !ok || len(svc.Spec.Ports) != 1 {
		return []analyzers.Fix{{Why: "Show the ports of the Service", Argv: p.Kubectl(namespace, "get", "service", name)}}
	}
	port := svc.Spec.Ports[0].Port
	return []analyzers.Fix{mergePatch(p, o, fmt.Sprintf("Send the requests to port %d, the only one of the Service", port), map[string]any{"service": map[string]any{"port": port}})}
}

// mergePatch is a suggestion only: the state of an APIService is its controller's word,
// which no copy of the Snapshot can foretell.
func mergePatch(p *analyzers.Pass, o cluster.Object, why string, spec map[string]any) analyzers.Fix {
	data, _ := json.Marshal(map[string]any{"spec": spec})
	return analyzers.Fix{Why: why, Argv: p.Kubectl("", "patch", "apiservice", o.GetName(), "--type", "merge", "-p", string(data))}
}
