package controlplane

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// APIVersion finds programs that end because the cluster does not serve an API version.
var APIVersion = &analyzers.Analyzer{
	Name: "controlplane/api-version",
	Doc: `programs that fail as the cluster does not serve the API version they ask for

An operator of before an upgrade, or one that was started before its custom resources were
installed. The program must be failing now; others log the same and go on without.`,
	Needs: []schema.GroupKind{cluster.Pods},
	Emits: []analyzers.Code{versionRemoved},
	Run:   runAPIVersion,
}

// k8s.io/apimachinery pkg/api/meta/errors.go, NoKindMatchError: the version is group/version.
var noMatch = regexp.MustCompile(`no matches for kind \\?"([A-Za-z0-9]+)\\?" in version \\?"([a-z0-9.-]+/)?(v[0-9a-z]+)\\?"`)

// removals are the built-in versions that are gone, and what replaced them
// (https://kubernetes.io/docs/reference/using-api/deprecation-guide/).
var removals = map[string]string{
	"extensions/v1beta1": "networking.k8s.io/v1 or apps/v1", "apps/v1beta1": "apps/v1", "apps/v1beta2": "apps/v1",
	"admissionregistration.k8s.io/v1beta1": "admissionregistration.k8s.io/v1", "apiextensions.k8s.io/v1beta1": "apiextensions.k8s.io/v1",
	"apiregistration.k8s.io/v1beta1": "apiregistration.k8s.io/v1", "authentication.k8s.io/v1beta1": "authentication.k8s.io/v1",
	"authorization.k8s.io/v1beta1": "authorization.k8s.io/v1", "certificates.k8s.io/v1beta1": "certificates.k8s.io/v1",
	"coordination.k8s.io/v1beta1": "coordination.k8s.io/v1", "networking.k8s.io/v1beta1": "networking.k8s.io/v1",
	"rbac.authorization.k8s.io/v1beta1": "rbac.authorization.k8s.io/v1", "scheduling.k8s.io/v1beta1": "scheduling.k8s.io/v1",
	"storage.k8s.io/v1beta1": "storage.k8s.io/v1", "batch/v1beta1": "batch/v1", "discovery.k8s.io/v1beta1": "discovery.k8s.io/v1",
	"events.k8s.io/v1beta1": "events.k8s.io/v1", "autoscaling/v2beta1": "autoscaling/v2", "autoscaling/v2beta2": "autoscaling/v2",
	"policy/v1beta1": "policy/v1", "node.k8s.io/v1beta1": "node.k8s.io/v1",
	"flowcontrol.apiserver.k8s.io/v1beta1": "flowcontrol.apiserver.k8s.io/v1", "flowcontrol.apiserver.k8s.io/v1beta2": "flowcontrol.apiserver.k8s.io/v1",
	"flowcontrol.apiserver.k8s.io/v1beta3": "flowcontrol.apiserver.k8s.io/v1",
}

// lastWords are enough: a program that ends for this reason says it at the end.
const lastWords = 15

func runAPIVersion(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		if pod.DeletionTimestamp != nil {
			continue
		}
		for _, status := range cluster.ContainerStatuses(pod) {
			if !p.Crashing(pod, status) {
				continue
			}
			log, ok := p.LastLog(pod, status)
			if !ok {
				continue
			}
			said := log.Lines()
			for _, line := range slices.Backward(said[max(0, len(said)-lastWords):]) {
				if m := noMatch.FindStringSubmatch(line); m != nil {
					p.Report(versionFinding(p, pod, status.Name, m[1], m[2]+m[3], line))
					break
				}
			}
		}
	}
	return nil
}

func versionFinding(p *analyzers.Pass, pod *corev1.Pod, container, kind, version, line string) analyzers.Finding {
	root := p.Root(pod)
	f := analyzers.Finding{
		Code: versionRemoved, Subject: root, Part: container, Affected: []analyzers.Ref{cluster.RefOf(pod)},
		Evidence: []analyzers.Evidence{{Source: fmt.Sprintf("Log of %s container %s", cluster.RefOf(pod), container), Quote: analyzers.Quote(line)}},
		Fixes:    []analyzers.Fix{{Why: "Show the versions that the API server has", Argv: p.Kubectl("", "api-versions")}},
	}
	group, _, hasGroup := strings.Cut(version, "/")
	switch instead, removed := removals[version]; {
	case removed:
		f.Summary = fmt.Sprintf("Container %s ends: it asks for %s of %s, which is removed; %s took its place", container, kind, version, instead)
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Run a release of the program that knows this cluster's versions", Argv: p.Kubectl(root.Namespace, "set", "image", root.Short(), container+"=<image>")})
	case hasGroup && strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io"):
		f.Summary = fmt.Sprintf("Container %s ends: it needs %s of %s, and the custom resource is not installed", container, kind, version)
		f.Fixes = []analyzers.Fix{{Why: "Show the custom resources of that group; install those that came with the program before it is started", Argv: p.Kubectl("", "api-resources", "--api-group", group)}}
	default:
		f.Summary = fmt.Sprintf("Container %s ends: the API server does not serve %s of %s, which it asks for", container, kind, version)
	}
	f.Summary = analyzers.Line(f.Summary, analyzers.MaxSummary)
	return f
}
