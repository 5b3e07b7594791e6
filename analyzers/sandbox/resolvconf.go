package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
)

// ResolvConf finds nodes whose kubelet is told to hand out a resolv.conf that is not there.
var ResolvConf = &analyzers.Analyzer{
	Name:  "sandbox/resolv-conf",
	Doc:   "nodes whose kubelet does not find the resolv.conf that it is to give pods",
	Needs: slices.Clone(failureKinds),
	Emits: []analyzers.Code{noResolvConf},
	Run: func(p *analyzers.Pass) error {
		each(p, byResolvConf, func(f failure) analyzers.Finding {
			node := f.pod.Spec.NodeName
			file, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(f.text, "could not "), "open "), ":")
			return analyzers.Finding{
				Code:    noResolvConf,
				Summary: fmt.Sprintf("Kubelet of node %s does not find %s, so no pod with cluster DNS starts", node, file),
				Fixes: []analyzers.Fix{
					onHost("Start systemd-resolved, which writes that file, or set resolvConf in the kubelet's configuration", node, "systemctl", "enable", "--now", "systemd-resolved"),
				},
			}
		})
		return nil
	},
}
