package scheduling

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// DaemonNotScheduled finds nodes that a DaemonSet is meant for and does not run on.
var DaemonNotScheduled = &analyzers.Analyzer{
	Name: "scheduling/daemonset",
	Doc: `nodes that lack the pod of a DaemonSet that is meant for them

A node is meant when the template's selector and tolerations admit it. Nodes of others,
by a taint, are noted at severity info for a DaemonSet without a selector; those of the
control plane never.`,
	Needs: []schema.GroupKind{
		cluster.DaemonSets, cluster.Pods, cluster.Nodes, cluster.Events, cluster.Namespaces,
		cluster.PersistentVolumeClaims, cluster.PersistentVolumes, cluster.StorageClasses,
	},
	Emits: []analyzers.Code{daemonMissing},
	Run:   runDaemonSets,
}

// settling is how long the controller may take with a new node or DaemonSet.
const settling = 2 * time.Minute

func runDaemonSets(p *analyzers.Pass) error {
	var ev *evaluator
	for ds := range cluster.Scoped[*appsv1.DaemonSet](p.Snapshot) {
		if ds.DeletionTimestamp != nil || !p.Sees(cluster.Nodes, "") {
			continue
		}
		if ev == nil {
			ev = newEvaluator(p.Snapshot)
		}
		d := &daemon{Pass: p, ev: ev, ds: ds}
		d.place()
		switch {
		case len(ev.nodes) == 0:
		case len(d.meant) == 0:
			d.reportNowhere()
		default:
			d.reportPending()
			d.reportAbsent()
			d.reportTainted()
		}
	}
	return nil
}

// daemon is one DaemonSet and where it belongs.
type daemon struct {
	*analyzers.Pass
	ev      *evaluator
	ds      *appsv1.DaemonSet
	probe   *request     // a pod as the controller would make it
	meant   []*nodeState // nodes where it belongs
	matched []*nodeState // nodes that its selector matches, with taints that it does not tolerate
}

// place follows k8s.io/kubernetes pkg/controller/daemon/daemon_controller.go,
// NodeShouldRunDaemonPod: the selector and affinity of the template, and its taints.
func (d *daemon) place() {
	t := d.ds.Spec.Template
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: d.ds.Namespace, Labels: t.Labels}, Spec: *t.Spec.DeepCopy()}
	pod.Spec.Tolerations = append(pod.Spec.Tolerations, daemonTolerations(pod.Spec.HostNetwork)...)
	name := pod.Spec.NodeName
	d.probe = d.ev.place(pod)
	for _, n := range d.ev.nodes {
		if name != "" && name != n.node.Name || len(d.probe.nodeAffinity(n, nil)) > 0 {
			continue
		}
		if len(d.probe.taints(n, nil)) == 0 {
			d.meant = append(d.meant, n)
		} else {
			d.matched = append(d.matched, n)
		}
	}
}

// daemonTolerations are those that the controller adds to every pod of a DaemonSet
// (k8s.io/kubernetes pkg/controller/daemon/util/daemonset_util.go).
func daemonTolerations(hostNetwork bool) []corev1.Toleration {
	exists := func(key string, effect corev1.TaintEffect) corev1.Toleration {
		return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: effect}
	}
	out := []corev1.Toleration{
		exists(corev1.TaintNodeNotReady, corev1.TaintEffectNoExecute), exists(corev1.TaintNodeUnreachable, corev1.TaintEffectNoExecute),
		exists(corev1.TaintNodeDiskPressure, corev1.TaintEffectNoSchedule), exists(corev1.TaintNodeMemoryPressure, corev1.TaintEffectNoSchedule),
		exists(corev1.TaintNodePIDPressure, corev1.TaintEffectNoSchedule), exists(corev1.TaintNodeUnschedulable, corev1.TaintEffectNoSchedule),
	}
	if hostNetwork {
		out = append(out, exists(corev1.TaintNodeNetworkUnavailable, corev1.TaintEffectNoSchedule))
	}
	return out
}

func (d *daemon) finding(summary string, evidence ...analyzers.Evidence) analyzers.Finding {
	return analyzers.Finding{Code: daemonMissing, Subject: cluster.RefOf(d.ds), Summary: summary, Evidence: evidence}
}

// reportPending is about pods that exist and have no node: each is meant for one.
func (d *daemon) reportPending() {
	var names []string
	var first *Row
	var f analyzers.Finding
	var fixes []analyzers.Fix
	for _, pod := range d.PodsOf(d.ds) {
		node := targetNode(pod)
		if !waits(d.Snapshot, pod) || d.ev.byName[node] == nil {
			continue
		}
		q := &inquiry{Pass: d.Pass, ev: d.ev, pod: pod, root: cluster.RefOf(d.ds), owner: d.ds, r: d.ev.request(pod, nil)}
		row := d.stops(q, d.ev.byName[node])
		if len(row.Rejections) == 0 {
			continue
		}
		q.words, q.said = wordsAbout(d.Snapshot, pod)
		names = append(names, node)
		f.Affected = append(f.Affected, cluster.RefOf(pod))
		if first != nil {
			continue
		}
		first = row
		for _, j := range row.Rejections[:1] {
			f.Summary = j.Reason
			f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(node).String(), Path: string(j.Filter), Quote: j.Reason})
			if j.kind == byPort {
				use := j.ports[0]
				holder := d.Root(use.by)
				f.Summary = fmt.Sprintf("host port %s is taken by %s", use, holder)
				if holder == q.root {
					f.Summary = fmt.Sprintf("host port %s is taken by another pod of the same DaemonSet", use)
				}
				f.Evidence[0] = analyzers.Evidence{Source: cluster.RefOf(use.by).String(), Path: "spec.containers[*].ports[*].hostPort", Quote: fmt.Sprintf("hostPort: %s, on node %s", use, node)}
				fixes = q.portFixes(use, holder, 1)
			}
			if j.kind == byClaim {
				f.CausedBy = []analyzers.Ref{{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: d.ds.Namespace, Name: j.claim.name}}
			}
			if len(j.shortages) > 0 {
				f.Evidence = append(f.Evidence, analyzers.Evidence{Source: nodeRef(node).String(), Path: fmt.Sprintf("status.allocatable[%s]", j.shortages[0].name), Quote: q.usageText(d.ev.byName[node], j.shortages[0].name)})
			}
		}
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "spec.affinity.nodeAffinity", Quote: "nodeAffinity: metadata.name=" + node})
		if q.said {
			f.Evidence = append(f.Evidence, q.words.at)
		}
	}
	if first == nil {
		return
	}
	summary := fmt.Sprintf("Its pod cannot go to %s: %s", nodesText(names), f.Summary)
	f = analyzers.Finding{Code: daemonMissing, Subject: cluster.RefOf(d.ds), Affected: f.Affected, Evidence: f.Evidence, CausedBy: f.CausedBy, Summary: summary}
	f.Fixes = append(slices.Clone(fixes), analyzers.Fix{Why: "Show what the node has and what holds it", Argv: d.Kubectl("", "describe", "node", names[0])})
	if d.ds.Spec.Template.Spec.PriorityClassName == "" && first.has(byRoom) {
		q := &inquiry{Pass: d.Pass, root: cluster.RefOf(d.ds), owner: d.ds}
		fix := q.change("Let the pods displace others where a node is full", map[string]any{"priorityClassName": "system-node-critical"})
		fix.Patch = nil // what they would displace cannot be foreseen
		f.Fixes = append(f.Fixes, fix)
	}
	d.Report(f)
}

// stops is what keeps a pod from its node: a claim, or the node itself. Pods that are
// leaving the node do not count, nor does a volume that is being made.
func (d *daemon) stops(q *inquiry, n *nodeState) *Row {
	row := q.r.row(n)
	if len(d.ev.leaving) > 0 && len(d.ev.request(q.pod, d.ev.leaving).row(n).Rejections) == 0 {
		row.Rejections = nil
	}
	for _, j := range q.r.claimTroubles() {
		if !q.comes(j.claim) {
			row.Rejections = slices.Insert(row.Rejections, 0, j)
		}
	}
	return &row
}

// targetNode is the node for which the controller made the pod (pkg/controller/daemon/
// util/daemonset_util.go, GetTargetNodeName).
func targetNode(pod *corev1.Pod) string {
	required := requiredNodeTerms(pod)
	if required == nil {
		return ""
	}
	for _, t := range required.NodeSelectorTerms {
		for _, e := range t.MatchFields {
			if e.Key == metav1.ObjectNameField && e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 {
				return e.Values[0]
			}
		}
	}
	return ""
}

// reportAbsent is about nodes for which there is no pod at all. Where the controller
// says why it cannot make one (quota, admission), that is another finding's matter; and
// while it replaces pods one by one, a node may lack its pod for a moment.
func (d *daemon) reportAbsent() {
	st := d.ds.Status
	if !d.Sees(cluster.Pods, d.ds.Namespace) || st.ObservedGeneration != d.ds.Generation || st.UpdatedNumberScheduled < st.DesiredNumberScheduled ||
		st.CurrentNumberScheduled >= st.DesiredNumberScheduled || d.Since(d.ds.CreationTimestamp.Time) < settling {
		return
	}
	if ev, ok := d.LastEvent(d.ds, nil, "FailedCreate", "FailedDaemonPod"); ok && d.Since(cluster.EventTime(ev)) < time.Hour {
		return
	}
	has := map[string]bool{}
	for _, pod := range d.PodsOf(d.ds) {
		has[pod.Spec.NodeName], has[targetNode(pod)] = true, true
	}
	var names []string
	for _, n := range d.meant {
		if !has[n.node.Name] && d.Since(n.node.CreationTimestamp.Time) > settling {
			names = append(names, n.node.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	f := d.finding(fmt.Sprintf("Its pod is missing on %s, where its selector and tolerations admit one", nodesText(names)),
		analyzers.Evidence{Source: cluster.RefOf(d.ds).String(), Path: "status.currentNumberScheduled", Quote: fmt.Sprintf("currentNumberScheduled: %d of %d desired", st.CurrentNumberScheduled, st.DesiredNumberScheduled)})
	f.Severity = analyzers.Warning
	f.Fixes = []analyzers.Fix{{Why: "Show the DaemonSet's events", Argv: d.Kubectl(d.ds.Namespace, "describe", "daemonset", d.ds.Name)}}
	d.Report(f)
}

// reportTainted notes the nodes of others. A DaemonSet without a selector is meant for
// all nodes, and whether those that are set apart should have it is for a person to
// say. The taints of the control plane and of a node's own state are never meant.
func (d *daemon) reportTainted() {
	if d.probe.hasSelector || d.ds.Spec.Template.Spec.NodeName != "" {
		return
	}
	var rows []*Row
	for _, n := range d.matched {
		row := &Row{Node: n.node.Name, Rejections: d.probe.taints(n, nil)}
		if row.only(byTaint) {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return
	}
	f := d.tainted(rows)
	f.Severity, f.Part = analyzers.Info, "nodes of others"
	d.Report(f)
}

func (d *daemon) tainted(rows []*Row) analyzers.Finding {
	q := &inquiry{Pass: d.Pass, ev: d.ev, pod: d.probe.pod, r: d.probe, root: cluster.RefOf(d.ds), owner: d.ds, v: verdict{byTaint, rows}}
	taints, byNode := q.untolerated()
	names := q.v.nodes()
	texts := make([]string, len(taints))
	for i := range taints {
		texts[i] = taintText(&taints[i])
	}
	f := d.finding(fmt.Sprintf("Its pods do not run on %s: they do not tolerate %s", nodesText(names), some(texts, 3)),
		analyzers.Evidence{Source: nodeRef(names[0]).String(), Path: "spec.taints", Quote: "taints: " + byNode[names[0]]},
		analyzers.Evidence{Source: q.root.String(), Path: "spec.template.spec.tolerations", Quote: "tolerations: " + tolerationsText(d.ds.Spec.Template.Spec.Tolerations)})
	f.Fixes = []analyzers.Fix{q.tolerate(taints, nearToleration(d.ds.Spec.Template.Spec.Tolerations, taints))}
	return f
}

// reportNowhere is about a DaemonSet that belongs on no node at all.
func (d *daemon) reportNowhere() {
	if len(d.matched) > 0 {
		rows := make([]*Row, len(d.matched))
		for i, n := range d.matched {
			rows[i] = &Row{Node: n.node.Name, Rejections: d.probe.taints(n, nil)}
			if rows[i].has(byState) {
				return // a node that is not in order has a finding of its own
			}
		}
		f := d.tainted(rows)
		f.Severity = analyzers.Warning
		d.Report(f)
		return
	}
	missing := d.ev.unmet(&d.ds.Spec.Template.Spec)
	if len(missing) == 0 {
		return
	}
	want := missing[0]
	has := d.ev.values(want.Key)
	q := &inquiry{Pass: d.Pass, ev: d.ev, pod: d.probe.pod, r: d.probe, root: cluster.RefOf(d.ds), owner: d.ds}
	f := d.finding(fmt.Sprintf("Its pods run on no node: they want %s, but %s", want, noneOf(d.ev, want.label())),
		analyzers.Evidence{Source: cluster.RefOf(d.ds).String(), Path: "spec.template.spec.nodeSelector", Quote: "nodeSelector: " + want.String()},
		analyzers.Evidence{Source: cluster.RefOf(d.ds).String(), Path: "status.desiredNumberScheduled", Quote: fmt.Sprintf("desiredNumberScheduled: %d", d.ds.Status.DesiredNumberScheduled)})
	if len(has) > 0 {
		f.Summary = fmt.Sprintf("Its pods run on no node: they want %s, but nodes have only %s", want, some(has, 3))
	}
	// One that waits for a kind of node needs no change.
	f.Severity = analyzers.Info
	if d.meantForSome(want, has) {
		f.Severity = analyzers.Warning
		f.Fixes = q.selectorFixes(want, has)
	}
	d.Report(f)
}

// meantForSome tells a mistake from a DaemonSet that waits for a kind of node that the
// cluster does not have now: vendors install theirs for GPUs, Windows and accelerators
// everywhere, with labels of their own domain.
func (d *daemon) meantForSome(want demand, has []string) bool {
	if len(want.Values) > 0 {
		if _, ok := analyzers.Nearest(want.Values[0], has); ok {
			return true
		}
	}
	if _, ok := analyzers.Nearest(want.Key, d.ev.labelKeys()); ok {
		return true
	}
	return !strings.Contains(want.Key, "/") && d.ds.Namespace != "kube-system"
}
