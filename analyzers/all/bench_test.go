package all

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/report"
)

// town is a cluster of that many pods, twenty a Deployment, one Deployment in ten with a
// crash loop, and each with a Service, an Ingress, an autoscaler and a network policy; a
// node for each thirty pods.
func town(pods int) *cluster.Snapshot {
	b := cluster.NewBuilder(cluster.Info{CapturedAt: start})
	one := int32(1)
	for i := range pods/30 + 1 {
		b.Add(&corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%04d", i), UID: types.UID(fmt.Sprintf("n%d", i))},
			Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}, Allocatable: corev1.ResourceList{
				"cpu": resource.MustParse("16"), "memory": resource.MustParse("64Gi"), "pods": resource.MustParse("110"),
			}},
		})
	}
	for i := range pods / 20 {
		name, ns := fmt.Sprintf("app-%04d", i), fmt.Sprintf("team-%02d", i%25)
		labels := map[string]string{"app": name}
		spec := corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "registry.example.com/" + name + ":1", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
			Env:       []corev1.EnvVar{{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: "p"}}}},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("128Mi")}},
		}}}
		template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec}
		meta := func(kind, name string, owner ...string) metav1.ObjectMeta {
			m := metav1.ObjectMeta{Generation: 1, Namespace: ns, Name: name, UID: types.UID(kind + name), Labels: labels, CreationTimestamp: metav1.NewTime(start.Add(-3600e9))}
			if len(owner) == 2 {
				yes := true
				m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: owner[0], Name: owner[1], UID: types.UID(owner[0] + owner[1]), Controller: &yes}}
			}
			return m
		}
		b.Add(
			&appsv1.Deployment{ObjectMeta: meta("Deployment", name), Spec: appsv1.DeploymentSpec{Replicas: &one, Template: template}, Status: appsv1.DeploymentStatus{ObservedGeneration: 1}},
			&appsv1.ReplicaSet{ObjectMeta: meta("ReplicaSet", name+"-1", "Deployment", name), Spec: appsv1.ReplicaSetSpec{Replicas: &one, Template: template}, Status: appsv1.ReplicaSetStatus{ObservedGeneration: 1}},
			&corev1.Service{ObjectMeta: meta("Service", name), Spec: corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}}}},
			&cluster.Secret{ObjectMeta: meta("Secret", name)},
			&networkingv1.Ingress{ObjectMeta: meta("Ingress", name), Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
				Host: name + ".example.com", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
					Path: "/", Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: name, Port: networkingv1.ServiceBackendPort{Number: 80}}},
				}}}},
			}}}, Status: networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{Ingress: []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}}}},
			&autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta("HorizontalPodAutoscaler", name), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name}, MaxReplicas: 40,
			}},
			&networkingv1.NetworkPolicy{ObjectMeta: meta("NetworkPolicy", name), Spec: networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{MatchLabels: labels}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
				Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}}},
			}},
		)
		for j := range 20 {
			pod := &corev1.Pod{ObjectMeta: meta("Pod", fmt.Sprintf("%s-1-%02d", name, j), "ReplicaSet", name+"-1"), Spec: *spec.DeepCopy()}
			pod.Spec.NodeName = fmt.Sprintf("node-%04d", (i*20+j)/30)
			pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.%d.%d.%d", i/250, i%250, j+1)}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: pod.CreationTimestamp}}}}
			ready := corev1.ConditionTrue
			if i%10 == 0 {
				ready = corev1.ConditionFalse
				pod.Status.ContainerStatuses[0] = corev1.ContainerStatus{
					Name: "app", RestartCount: 9, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
					LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", FinishedAt: metav1.NewTime(start.Add(-60e9))}},
				}
			}
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: ready}}
			b.Add(pod)
		}
	}
	for i := range pods / 20 { // what every second program that crashes says: a name in another namespace
		name := fmt.Sprintf("app-%04d", i)
		b.AddLog(cluster.Log{Namespace: fmt.Sprintf("team-%02d", i%25), Pod: name + "-1-00", Container: "app", Previous: true,
			Text: fmt.Sprintf("fatal: dial tcp: lookup app-%04d.team-%02d on 10.96.0.10:53: i/o timeout\n", (i+1)%(pods/20), (i+1)%25)})
	}
	for _, k := range cluster.Kinds() {
		b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete})
	}
	return b.Build()
}

// BenchmarkScan is the analysis without the collection: analyzers, diagnoses and proofs,
// indexes included, at sizes ten times apart. It must grow no faster than the pods do.
func BenchmarkScan(b *testing.B) {
	for _, pods := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				s := town(pods)
				b.StartTimer()
				r := report.Scan(context.Background(), s, Analyzers)
				if len(r.Diagnoses) != pods/200 {
					for _, d := range r.Diagnoses {
						b.Log(d.RootCause.Code, d.RootCause.Subject, d.RootCause.Summary)
					}
					b.Fatalf("%d diagnoses, want %d", len(r.Diagnoses), pods/200)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*pods), "ns/pod")
		})
	}
}
