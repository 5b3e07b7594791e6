package scheduling

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// BenchmarkUnschedulable is a cluster of 1,000 nodes and 30,000 pods in which 100 pods
// of as many StatefulSets wait, each with rules about other pods.
func BenchmarkUnschedulable(b *testing.B) {
	s := large(1000, 30, 100)
	for b.Loop() {
		r := analyzers.Run(context.Background(), s, []*analyzers.Analyzer{Unschedulable})
		if len(r.Findings) != 100 || len(r.Failed) > 0 {
			b.Fatalf("%d findings, failed: %v", len(r.Findings), r.Failed)
		}
	}
}

func large(nodes, podsOnEach, waiting int) *cluster.Snapshot {
	now := time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC)
	b := cluster.NewBuilder(cluster.Info{CapturedAt: now})
	for _, k := range cluster.Kinds() {
		b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete})
	}
	cpu := func(s string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(s), corev1.ResourceMemory: resource.MustParse("64Mi")}}
	}
	apart := func(app string) *corev1.Affinity {
		return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}, TopologyKey: corev1.LabelHostname,
		}}}}
	}
	for i := range nodes {
		name := fmt.Sprintf("node-%04d", i)
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name, corev1.LabelTopologyZone: fmt.Sprint("zone-", i%3)}}}
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"), corev1.ResourcePods: resource.MustParse("110")}
		b.Add(n)
		for j := range podsOnEach {
			app := fmt.Sprint("app-", (i+j)%200)
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(name, "-", j), Namespace: fmt.Sprint("team-", j%20), Labels: map[string]string{"app": app}}}
			p.Spec.NodeName, p.Spec.Containers = name, []corev1.Container{{Name: "app", Resources: cpu("200m")}}
			if j%5 == 0 {
				p.Spec.Affinity = apart(app)
			}
			b.Add(p)
		}
	}
	yes := true
	for i := range waiting {
		name := fmt.Sprint("db-", i)
		b.Add(&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "team-0", UID: types.UID(name)}})
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name + "-0", Namespace: "team-0", Labels: map[string]string{"app": name}, CreationTimestamp: metav1.NewTime(now.Add(-time.Hour)),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: name, UID: types.UID(name), Controller: &yes}}}}
		p.Spec.Containers = []corev1.Container{{Name: "db", Resources: cpu("4")}}
		p.Spec.Affinity = apart(name)
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}}}
		b.Add(p)
	}
	return b.Build()
}
