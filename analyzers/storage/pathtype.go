package storage

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// PathType reports hostPath volumes whose path on the node is missing or is something
// else than the volume demands.
var PathType = &analyzers.Analyzer{
	Name:  "storage/path-type",
	Doc:   "hostPath volumes whose path is missing on the node or of another type",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Nodes, cluster.Events, cluster.PersistentVolumeClaims, cluster.PersistentVolumes},
	Emits: []analyzers.Code{hostPathType},
	Run: func(p *analyzers.Pass) error {
		for _, c := range of(p, pathType) {
			if m := wrongType.FindStringSubmatch(c.ev.Message); m != nil && waited(p, c.pod) > bindPatience {
				reportPath(p, c, m[1], m[2], m[3])
			}
		}
		return nil
	},
}

// runtimeSockets are what people mount the socket of another runtime for.
var runtimeSockets = map[string]string{"containerd": "/run/containerd/containerd.sock", "cri-o": "/run/crio/crio.sock", "docker": "/run/docker.sock"}

func reportPath(p *analyzers.Pass, c complaint, path, want, rest string) {
	missing := strings.Contains(rest, "does not exist")
	is := "is " + article(strings.ToLower(strings.TrimPrefix(rest, "it's a ")))
	if missing {
		is = "does not exist there"
	}
	f := c.finding(p, hostPathType, "%s demands %s at %s on the node, which %s", c.name(), article(want), path, is)
	f.Evidence = append(f.Evidence[:1:1], analyzers.Evidence{Source: cluster.RefOf(c.pod).String(), Path: "spec.volumes[*].hostPath", Quote: fmt.Sprintf("path: %s, on node %s", path, c.pod.Spec.NodeName)})
	node, ok := cluster.Find[*corev1.Node](p.Snapshot, "", c.pod.Spec.NodeName)
	if ok && missing && strings.HasSuffix(path, ".sock") {
		name, _, _ := strings.Cut(node.Status.NodeInfo.ContainerRuntimeVersion, "://")
		if sock := runtimeSockets[name]; sock != "" && !strings.HasSuffix(path, sock[len("/run"):]) {
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(node).String(), Path: "status.nodeInfo.containerRuntimeVersion", Quote: node.Status.NodeInfo.ContainerRuntimeVersion})
			f.Fixes = append(f.Fixes, analyzers.Fix{Why: fmt.Sprintf("The node's runtime is %s: mount its socket, %s, or do without", name, sock), Argv: p.Kubectl(f.Subject.Namespace, "edit", f.Subject.Short())})
		}
	}
	if missing && want == "directory" && c.volume != nil && c.volume.HostPath != nil && cluster.RollsOut(f.Subject) {
		patch, _ := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"volumes": []any{map[string]any{
			"name": c.volume.Name, "hostPath": map[string]any{"path": path, "type": corev1.HostPathDirectoryOrCreate},
		}}}}}})
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:   "Have the directory made where it is missing, if it may start empty",
			Argv:  p.Kubectl(f.Subject.Namespace, "patch", f.Subject.Short(), "--type", "strategic", "-p", string(patch)),
			Patch: &analyzers.Patch{Target: f.Subject, Data: patch},
		})
	}
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: fmt.Sprintf("Put %s at %s on the node, or correct path or type of the volume", article(want), path)})
	p.Report(f)
}

func article(noun string) string {
	if noun == "" {
		return "something else"
	}
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}
