package scheduling

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// The filters must agree with a second reading of the rules, written as plainly as can
// be, on small clusters made at random. The seed is fixed: a failure comes again.

type dice struct{ *rand.Rand }

func (d dice) one(list ...string) string { return list[d.IntN(len(list))] }
func (d dice) chance(percent int) bool   { return d.IntN(100) < percent }

const hostname, zone = corev1.LabelHostname, corev1.LabelTopologyZone

func (d dice) node(i int) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("node-", i), Labels: map[string]string{hostname: fmt.Sprint("node-", i)}}}
	if d.chance(80) {
		n.Labels[zone] = d.one("a", "b", "c")
	}
	if d.chance(30) {
		n.Spec.Taints = []corev1.Taint{{Key: "dedicated", Value: d.one("x", "y"), Effect: corev1.TaintEffectNoSchedule}}
	}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(d.one("1", "2", "4")), corev1.ResourceMemory: resource.MustParse(d.one("1Gi", "2Gi")),
		corev1.ResourcePods: resource.MustParse(d.one("2", "4", "110")),
	}
	return n
}

func (d dice) pod(name, node string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: d.one("x", "y"), UID: types.UID(name), Labels: map[string]string{"app": d.one("a", "b")}}}
	p.Spec.NodeName = node
	for i := range 1 + d.IntN(2) {
		c := corev1.Container{Name: fmt.Sprint("c", i), Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(d.one("100m", "0.7", "1")), corev1.ResourceMemory: resource.MustParse(d.one("100M", "300Mi", "1Gi")),
		}}}
		if d.chance(30) {
			c.Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: int32(80 + d.IntN(2)), Protocol: corev1.Protocol(d.one("TCP", "UDP")), HostIP: d.one("", "10.0.0.1", "10.0.0.2")}}
		}
		p.Spec.Containers = append(p.Spec.Containers, c)
	}
	if node != "" && d.chance(15) {
		p.Status.Phase = corev1.PodPhase(d.one("Succeeded", "Failed"))
	}
	if node != "" && d.chance(15) {
		p.DeletionTimestamp = &metav1.Time{}
	}
	return p
}

func (d dice) cluster() (*evaluator, *corev1.Pod) {
	b := cluster.NewBuilder(cluster.Info{})
	for _, k := range cluster.Kinds() {
		b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete})
	}
	nodes := 2 + d.IntN(4)
	for i := range nodes {
		b.Add(d.node(i))
	}
	for i := range d.IntN(10) {
		b.Add(d.pod(fmt.Sprint("pod-", i), fmt.Sprint("node-", d.IntN(nodes))))
	}
	pod := d.pod("waiting", "")
	if d.chance(50) {
		pod.Spec.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "x"}}
	}
	c := corev1.TopologySpreadConstraint{MaxSkew: int32(1 + d.IntN(2)), TopologyKey: d.one(hostname, zone), WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": d.one("a", "b")}}}
	if d.chance(40) {
		honor := corev1.NodeInclusionPolicyHonor
		c.NodeTaintsPolicy = &honor
	}
	pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{c}
	b.Add(pod)
	return newEvaluator(b.Build()), pod
}

func TestFiltersAgainstPlainReading(t *testing.T) {
	for round := range 2000 {
		d := dice{rand.New(rand.NewPCG(7, uint64(round)))}
		ev, pod := d.cluster()
		e := ev.evaluate(ev.request(pod, nil))
		for i, n := range ev.nodes {
			row := e.Rows[i]
			for filter, want := range map[Filter]bool{
				NodeResourcesFit: plainlyFull(ev, n, pod), NodePorts: plainlyTaken(ev, n, pod), PodTopologySpread: plainlySkewed(ev, n, pod),
			} {
				if got := slices.ContainsFunc(row.Rejections, func(j Rejection) bool { return j.Filter == filter }); got != want {
					t.Fatalf("round %d: %s on %s: %v, plainly %v: %+v", round, filter, n.node.Name, got, want, row.Rejections)
				}
			}
		}
	}
}

func standing(ev *evaluator, n *nodeState) (out []*corev1.Pod) {
	for pod := range cluster.All[*corev1.Pod](ev.s) {
		if pod.Spec.NodeName == n.node.Name && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			out = append(out, pod)
		}
	}
	return out
}

func plainlyFull(ev *evaluator, n *nodeState, pod *corev1.Pod) bool {
	pods := append(standing(ev, n), pod)
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		var sum resource.Quantity
		for _, p := range pods {
			for _, c := range p.Spec.Containers {
				sum.Add(c.Resources.Requests[name])
			}
		}
		if sum.Cmp(n.node.Status.Allocatable[name]) > 0 {
			return true
		}
	}
	limit := n.node.Status.Allocatable[corev1.ResourcePods]
	return int64(len(pods)) > limit.Value()
}

func plainlyTaken(ev *evaluator, n *nodeState, pod *corev1.Pod) bool {
	for _, p := range standing(ev, n) {
		for _, c := range p.Spec.Containers {
			for _, have := range c.Ports {
				for _, own := range pod.Spec.Containers {
					for _, want := range own.Ports {
						if have.HostPort == want.HostPort && have.Protocol == want.Protocol && (have.HostIP == "" || want.HostIP == "" || have.HostIP == want.HostIP) {
							return true
						}
					}
				}
			}
		}
	}
	return false
}

// plainlySkewed puts the pod on the node and compares the node's domain with the
// emptiest one, of the nodes that count.
func plainlySkewed(ev *evaluator, n *nodeState, pod *corev1.Pod) bool {
	c := pod.Spec.TopologySpreadConstraints[0]
	app := c.LabelSelector.MatchLabels["app"]
	value, ok := n.node.Labels[c.TopologyKey]
	if !ok {
		return true
	}
	counts := map[string]int{}
	for _, other := range ev.nodes {
		domain, ok := other.node.Labels[c.TopologyKey]
		if !ok || c.NodeTaintsPolicy != nil && plainlyTainted(other.node, pod) {
			continue
		}
		counts[domain] += 0
		for _, p := range standing(ev, other) {
			if p.Namespace == pod.Namespace && p.Labels["app"] == app && p.DeletionTimestamp == nil {
				counts[domain]++
			}
		}
	}
	least, mine := -1, counts[value]
	for _, have := range counts {
		if least < 0 || have < least {
			least = have
		}
	}
	if pod.Labels["app"] == app {
		mine++
	}
	return mine-max(least, 0) > int(c.MaxSkew)
}

func plainlyTainted(node *corev1.Node, pod *corev1.Pod) bool {
	return len(node.Spec.Taints) > 0 && (len(pod.Spec.Tolerations) == 0 || node.Spec.Taints[0].Value != "x")
}

// toleratesOne must be Toleration.ToleratesTaint, which is called by reflection as its
// logger comes from a module that the rooms may not import.
func TestTolerates(t *testing.T) {
	keys, values, effects := []string{"", "a", "b"}, []string{"", "x", "1"}, []corev1.TaintEffect{"", corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute}
	for _, op := range []corev1.TolerationOperator{"", "Equal", "Exists", "Gt", "Lt", "Odd"} {
		for _, key := range keys {
			for _, value := range values {
				for _, effect := range effects {
					have := corev1.Toleration{Key: key, Operator: op, Value: value, Effect: effect}
					for _, tkey := range keys[1:] {
						for _, tvalue := range values {
							taint := corev1.Taint{Key: tkey, Value: tvalue, Effect: corev1.TaintEffectNoSchedule}
							m := reflect.ValueOf(&have).MethodByName("ToleratesTaint")
							want := m.Call([]reflect.Value{reflect.Zero(m.Type().In(0)), reflect.ValueOf(&taint), reflect.ValueOf(false)})[0].Bool()
							if got := toleratesOne(&have, &taint); got != want {
								t.Errorf("%+v tolerates %+v: %v, want %v", have, taint, got, want)
							}
						}
					}
				}
			}
		}
	}
}
