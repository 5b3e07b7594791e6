package storage

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Unregistered reports volumes whose driver the kubelet of the pod's node does not know.
var Unregistered = &analyzers.Analyzer{
	Name: "storage/unregistered",
	Doc: `volumes whose CSI driver is not registered on the pod's node

Right after a node has started its drivers come after its pods: the first minute is let
pass, and so is a driver that has registered meanwhile.`,
	Needs: []schema.GroupKind{
		cluster.Pods, cluster.Events, cluster.PersistentVolumeClaims, cluster.PersistentVolumes, cluster.CSIDrivers, cluster.CSINodes, cluster.DaemonSets,
	},
	Emits: []analyzers.Code{notRegistered},
	Run: func(p *analyzers.Pass) error {
		for _, c := range of(p, unregistered) {
			m := driverUnknown.FindStringSubmatch(c.ev.Message)
			if m == nil || waited(p, c.pod) < bindPatience*4 || registered(p, c.pod.Spec.NodeName, m[1]) {
				continue
			}
			reportUnregistered(p, c, m[1])
		}
		return nil
	},
}

func registered(p *analyzers.Pass, node, driver string) bool {
	csi, ok := cluster.Find[*storagev1.CSINode](p.Snapshot, "", node)
	return ok && slices.ContainsFunc(csi.Spec.Drivers, func(d storagev1.CSINodeDriver) bool { return d.Name == driver })
}

func reportUnregistered(p *analyzers.Pass, c complaint, driver string) {
	node := c.pod.Spec.NodeName
	f := c.finding(p, notRegistered, "%s cannot be mounted: CSI driver %s is not registered on node %s", c.name(), driver, node)
	f.CausedBy = []analyzers.Ref{driverRef(driver)}
	f.Shared = fmt.Sprintf("CSI driver %s is not registered on node %s", driver, node)
	f.Fixes = []analyzers.Fix{{Why: "Show which drivers each node has; start the driver's node part there, and the volume is mounted by itself", Argv: p.Kubectl("", "get", "csinodes")}}
	e := analyzers.Evidence{Source: (analyzers.Ref{Kind: "CSINode", Name: node}).String(), Path: "spec.drivers", Quote: "drivers: none"}
	if csi, ok := cluster.Find[*storagev1.CSINode](p.Snapshot, "", node); ok {
		for i, d := range csi.Spec.Drivers {
			if i == 0 {
				e.Quote = "drivers: " + d.Name
			} else {
				e.Quote += ", " + d.Name
			}
		}
		f.Evidence = append(f.Evidence, e)
	}
	plugin := pluginOf(p, driver)
	pods := plugin.onNodes
	here := slices.IndexFunc(pods, func(pod *corev1.Pod) bool { return pod.Spec.NodeName == node })
	_, installed := cluster.Find[*storagev1.CSIDriver](p.Snapshot, "", driver)
	switch {
	case here >= 0:
		pod := pods[here]
		root := p.Root(pod)
		why := "runs"
		if stage, w := p.Unready(pod); stage > cluster.Ready {
			why = "is not ready: " + w
		}
		f.CausedBy = []analyzers.Ref{root}
		f.Shared = analyzers.Line(fmt.Sprintf("%s brings CSI driver %s to node %s and %s", root, driver, node, why), analyzers.MaxSummary)
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status", Quote: why})
		f.Fixes = []analyzers.Fix{{Why: "Show what ails the driver's pod on the node; once it has registered, the volume is mounted by itself", Argv: p.Kubectl(pod.Namespace, "describe", "pod", pod.Name)}}
	case plugin.daemon != nil:
		root := cluster.RefOf(plugin.daemon)
		f.Summary = analyzers.Line(fmt.Sprintf("%s cannot be mounted: %s, which brings CSI driver %s, has no pod on node %s", c.name(), root.Short(), driver, node), analyzers.MaxSummary)
		f.CausedBy, f.Shared = []analyzers.Ref{root}, fmt.Sprintf("%s, which brings CSI driver %s, has no pod on node %s", root, driver, node)
		spec := plugin.daemon.Spec.Template.Spec
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: root.String(), Path: "spec.template.spec", Quote: fmt.Sprintf("nodeSelector: {%s}, tolerations: %d", labels.Set(spec.NodeSelector), len(spec.Tolerations))})
		f.Fixes = []analyzers.Fix{{Why: "Let the driver's pods onto the node too: its taints and labels against their tolerations and selector", Argv: p.Kubectl("", "describe", "node", node)}}
	case !installed && p.Sees(cluster.CSIDrivers, ""):
		var names []string
		for d := range cluster.All[*storagev1.CSIDriver](p.Snapshot) {
			names = append(names, d.Name)
		}
		f.Summary = analyzers.Line(fmt.Sprintf("%s cannot be mounted: CSI driver %s is not on node %s, and no driver of that name is installed", c.name(), driver, node), analyzers.MaxSummary)
		f.Shared = fmt.Sprintf("CSI driver %s is not installed", driver)
		f.Fixes = []analyzers.Fix{{Why: "Show which drivers are installed, and install this one", Argv: p.Kubectl("", "get", "csidrivers")}}
		if near, ok := analyzers.Nearest(driver, names); ok {
			f.Summary = analyzers.Line(fmt.Sprintf("%s cannot be mounted: there is no CSI driver %s; %s was probably meant", c.name(), driver, near), analyzers.MaxSummary)
		}
	}
	p.Report(f)
}
