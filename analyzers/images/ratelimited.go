package images

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// RateLimited reports pulls that the registry, or the kubelet itself, puts off because
// there were too many of them.
var RateLimited = &analyzers.Analyzer{
	Name:  "images/rate-limited",
	Doc:   "pulls beyond the rate that the registry or the kubelet allows",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{rateLimited},
	Run: func(p *analyzers.Pass) error {
		for f := range pullsWith(p, rateLimited) {
			f.reportRateLimited(p)
		}
		return nil
	},
}

func (f *pull) reportRateLimited(p *analyzers.Pass) {
	r := parse(f.image)
	finding := analyzers.Finding{
		Summary:  sentence(sayf("Registry %s refuses %s: its limit on pulls is used up", r.registry(), short(strings.TrimPrefix(f.image, r.host+"/")))),
		CausedBy: []analyzers.Ref{registryRef(r.host)},
		Shared:   sayf("Registry %s limits the rate of pulls from this cluster", r.registry()),
		Evidence: f.evidence(),
	}
	// The kubelet's own limit, registryPullQPS (k8s.io/kubernetes
	// pkg/kubelet/images/helpers.go): the registry was never asked.
	if strings.Contains(strings.ToLower(f.text), "pull qps exceeded") {
		finding.Summary = sentence(sayf("The kubelet delays the pull of %s: there are more pulls at a time than registryPullQPS allows", short(f.image)))
		finding.CausedBy = []analyzers.Ref{{APIVersion: "v1", Kind: "Node", Name: f.pod.Spec.NodeName}}
		finding.Shared = sayf("The kubelet of node %s limits the rate of pulls", f.pod.Spec.NodeName)
		finding.Fixes = []analyzers.Fix{{
			Why:  "Show registryPullQPS and registryBurst of the kubelet; it tries the pull again by itself",
			Argv: p.Kubectl("", "get", "--raw", "/api/v1/nodes/"+f.pod.Spec.NodeName+"/proxy/configz"),
		}}
		f.report(p, finding)
		return
	}
	finding.Fixes = []analyzers.Fix{{
		Why: "Log in with a pull secret, which raises the limit; name it in the service account's imagePullSecrets",
		Argv: p.Kubectl(f.pod.Namespace, "create", "secret", "docker-registry", "registry-login",
			"--docker-server="+server(r.host), "--docker-username=<user>", "--docker-password=<password>"),
	}}
	// Always pulls anew at each start; a node that has the image need not.
	if root := p.Root(f.pod); f.policy == "Always" && r.tag != "latest" && settable[root.Kind] && root.Kind != "Pod" && root.Kind != "CronJob" && !strings.HasPrefix(f.path, "spec.init") {
		patch := sayf(`{"spec":{"template":{"spec":{"containers":[{"name":%q,"imagePullPolicy":"IfNotPresent"}]}}}}`, f.container)
		finding.Fixes = append(finding.Fixes, analyzers.Fix{
			Why:  "Pull the image only on nodes that do not have it yet",
			Argv: p.Kubectl(root.Namespace, "patch", root.Short(), "--type", "strategic", "-p", patch),
		})
	}
	f.report(p, finding)
}
