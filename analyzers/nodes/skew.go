package nodes

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubefathom/fathom/analyzers"
)

// VersionSkew finds kubelets that are too old or too new for the API server.
var VersionSkew = &analyzers.Analyzer{
	Name: "nodes/version-skew",
	Doc: `kubelets whose version the API server does not support

A kubelet may be three minor versions older (two below 1.28) and never newer:
https://kubernetes.io/releases/version-skew-policy/. Virtual nodes, which are no kubelets,
are left out.`,
	Needs: slices.Clone(nodeKinds),
	Emits: []analyzers.Code{versionSkew},
	Run: func(p *analyzers.Pass) error {
		server := minor(p.Info().Version)
		if server == 0 {
			return nil
		}
		for _, n := range nodesOf(p.Snapshot) {
			have := n.Status.NodeInfo.KubeletVersion
			kubelet := minor(have)
			if kubelet == 0 || virtual(n) || kubelet <= server && server-kubelet <= maxSkew(server) {
				continue
			}
			f := analyzers.Finding{
				Code: versionSkew, Subject: n.ref,
				Summary:  fmt.Sprintf("Node %s runs kubelet %s, %d minor versions older than the API server %s; %d are supported", n.Name, have, server-kubelet, p.Info().Version, maxSkew(server)),
				Shared:   fmt.Sprintf("Nodes run kubelets more than %d minor versions older than the API server %s", maxSkew(server), p.Info().Version),
				CausedBy: []analyzers.Ref{{Kind: "Cluster", Name: cmp.Or(p.Info().Context, "nodes")}},
				Evidence: []analyzers.Evidence{{Source: n.ref.String(), Path: "status.nodeInfo.kubeletVersion", Quote: "kubeletVersion: " + have}},
				Fixes:    []analyzers.Fix{{Why: "Show the kubelet version of each node; upgrade, one after the other, those that are too far away", Argv: p.Kubectl("", "get", "nodes", "-o", "wide")}},
			}
			if kubelet > server {
				f.Summary = fmt.Sprintf("Node %s runs kubelet %s, which is newer than the API server %s", n.Name, have, p.Info().Version)
				f.Shared = fmt.Sprintf("Nodes run kubelets that are newer than the API server %s", p.Info().Version)
				f.Part = "newer"
			}
			p.Report(f)
		}
		return nil
	},
}

var versionWords = regexp.MustCompile(`^v?1\.(\d+)\.`)

// minor is the 31 of "v1.31.4-eks-…"; 0 for what is no version of Kubernetes, such as
// "kwok-v0.7.0".
func minor(version string) int {
	m := versionWords.FindStringSubmatch(version)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

func maxSkew(server int) int {
	if server < 28 {
		return 2
	}
	return 3
}

// virtual reports whether something that only speaks like a kubelet stands behind the node:
// its version is that of a library.
func virtual(n *node) bool {
	return n.Labels["type"] == "virtual-kubelet" ||
		strings.Contains(n.Status.NodeInfo.KubeletVersion, "-vk-") || strings.Contains(n.Status.NodeInfo.KubeletVersion, "fargate")
}
