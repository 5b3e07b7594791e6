package sandbox

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Network finds nodes whose network plugin fails for each new pod.
var Network = &analyzers.Analyzer{
	Name: "sandbox/network",
	Doc: `nodes whose network plugin fails for new pods

It names what is missing where the plugin says so: its binary, the files that its agent
leaves, its rights. The agent's own finding, when its pod on the node is not well, is the
cause of this one.`,
	Needs: append(slices.Clone(failureKinds), cluster.DaemonSets),
	Emits: []analyzers.Code{networkFailure},
	Run: func(p *analyzers.Pass) error {
		each(p, byNetwork, func(f failure) analyzers.Finding { return networkFinding(p, f) })
		return nil
	},
}

// The plugin's name as libcni (containernetworking/cni pkg/invoke) and runtimes write it.
var (
	pluginWords = regexp.MustCompile(`plugin type="([^"]+)"`)
	binaryWords = regexp.MustCompile(`failed to find plugin "([^"]+)" in path \[([^\]]*)\]`)
)

// reasons are words of plugins and what they mean for the node.
var reasons = []struct{ words, means string }{
	{"/var/lib/calico/nodename", "calico-node has not set up the node"},                 // projectcalico/calico cni-plugin/pkg/plugin
	{"/run/flannel/subnet.env", "flannel has not set up the node"},                      // flannel-io/cni-plugin
	{"nauthorized", "the API server refuses its credentials"},                           // client-go of any plugin
	{"already has an IP address different from", "a bridge of another network is left"}, // containernetworking/plugins main/bridge
	{"127.0.0.1:50051", "its agent (ipamd) does not answer"},                            // aws/amazon-vpc-cni-k8s
	{"no networks found in", "there is no network configuration"},                       // containernetworking/cni
	{"not initialized", "there is no network configuration"},                            // containerd/go-cni
	{"i/o timeout", "it gets no answer in time"},
	{"connection refused", "what it asks does not answer"},
}

func networkFinding(p *analyzers.Pass, f failure) analyzers.Finding {
	node := f.pod.Spec.NodeName
	plugin := ""
	if m := pluginWords.FindStringSubmatch(f.text); m != nil {
		plugin = m[1]
	}
	found := analyzers.Finding{Code: networkFailure, Part: plugin, Fixes: []analyzers.Fix{
		onHost("Show the plugins and configurations that the runtime looks at", node, "ls", "-l", "/etc/cni/net.d", "/opt/cni/bin"),
	}}
	who := "its network plugin " + plugin
	if plugin == "" {
		who = "its network plugin"
	}
	found.Summary = analyzers.Line(fmt.Sprintf("Node %s cannot give pods a network: %s fails: %s", node, who, afterAdd(f.text)), analyzers.MaxSummary)
	for _, r := range reasons {
		if strings.Contains(f.text, r.words) {
			found.Summary = fmt.Sprintf("Node %s cannot give pods a network: %s fails, as %s", node, who, r.means)
			break
		}
	}
	found.CausedBy = []analyzers.Ref{{Kind: "Network", Name: plugin}}
	found.Shared = "Network plugin " + plugin + " fails on several nodes"
	if m := binaryWords.FindStringSubmatch(f.text); m != nil {
		found.Summary = fmt.Sprintf("Node %s cannot give pods a network: the plugin binary %s is not in %s", node, m[1], m[2])
		found.Fixes[0] = onHost("Show which plugins are installed", node, "ls", "-l", m[2])
		found.Shared = fmt.Sprintf("Plugin binary %s is not installed on the nodes", m[1])
	}
	withAgent(p, node, &found)
	if len(found.CausedBy) > 0 && found.CausedBy[0].Name == "" {
		found.CausedBy, found.Shared = nil, ""
	}
	return found
}

// afterAdd is what a plugin says, without who calls it.
func afterAdd(text string) string {
	if _, rest, ok := strings.Cut(text, "failed (add): "); ok {
		return rest
	}
	return text
}

// withAgent names the agent that should have set up the network of the node, and how its
// pod there is.
func withAgent(p *analyzers.Pass, node string, found *analyzers.Finding) {
	ds, pod := p.NetworkAgent(node)
	if ds == nil {
		return
	}
	ref := cluster.RefOf(ds)
	show := analyzers.Fix{Why: "Show the pods of the network add-on, node by node", Argv: p.Kubectl(ds.Namespace, "get", "pods", "-o", "wide")}
	if pod != nil {
		// That it fails on other nodes explains nothing where its pod is well.
		if _, why := p.Unready(pod); why != "" {
			found.CausedBy = []analyzers.Ref{ref}
			found.Evidence = append(found.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status", Quote: why})
		}
		show = analyzers.Fix{Why: "Show what the network add-on says on this node", Argv: p.Kubectl(ds.Namespace, "logs", pod.Name, "--all-containers", "--tail=50")}
	} else if p.Sees(cluster.Pods, ds.Namespace) {
		found.CausedBy = []analyzers.Ref{ref}
		found.Evidence = append(found.Evidence, analyzers.Evidence{Source: ref.String(), Path: "status.currentNumberScheduled", Quote: "it has no pod on node " + node})
	}
	found.Fixes = append([]analyzers.Fix{show}, found.Fixes...)
}
