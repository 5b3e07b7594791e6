package kube

import (
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/integrations/kube/kubetest"
)

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID(namespace + "/" + name),
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(`{"f:status":{}}`)}},
	}
}

func controlledBy(kind, namespace, name string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID(namespace + "/" + name), Controller: &yes}}
}

func namespaceNamed(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: named("", name)}
}

func podNamed(namespace, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: named(namespace, name),
		Spec:       corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "app", Image: "example.com/app:1"}}},
		Status: corev1.PodStatus{
			Phase:             corev1.PodRunning,
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "app", Ready: true, State: running(2 * time.Hour)}},
		},
	}
}

func running(ago time.Duration) corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Now().Add(-ago))}}
}

func ended(ago time.Duration, code int32) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: "Error", FinishedAt: metav1.NewTime(time.Now().Add(-ago)), ContainerID: "containerd://1",
	}}
}

// crashing makes a pod's first container wait for its next start after a crash.
func crashing(pod *corev1.Pod, restarts int32) *corev1.Pod {
	pod.Status.Conditions[0].Status = corev1.ConditionFalse
	pod.Status.ContainerStatuses[0] = corev1.ContainerStatus{
		Name: pod.Spec.Containers[0].Name, RestartCount: restarts, LastTerminationState: ended(time.Minute, 1),
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
	}
	return pod
}

// deployed is a Deployment with one ReplicaSet, and n pods.
func deployed(namespace, name string, revision, n int) (objects []runtime.Object, pods []*corev1.Pod) {
	rs := fmt.Sprintf("%s-%d", name, revision)
	set := &appsv1.ReplicaSet{ObjectMeta: named(namespace, rs)}
	set.OwnerReferences = controlledBy("Deployment", namespace, name)
	set.Annotations = map[string]string{"deployment.kubernetes.io/revision": fmt.Sprint(revision)}
	objects = append(objects, &appsv1.Deployment{ObjectMeta: named(namespace, name)}, set)
	for i := range n {
		pod := podNamed(namespace, fmt.Sprintf("%s-%d", rs, i))
		pod.OwnerReferences = controlledBy("ReplicaSet", namespace, rs)
		objects = append(objects, pod)
		pods = append(pods, pod)
	}
	return objects, pods
}

// shop is a small cluster: two namespaces, a workload in each, and a Secret with data.
func shop() []runtime.Object {
	web, _ := deployed("shop", "web", 1, 3)
	db, _ := deployed("data", "db", 1, 1)
	secret := &corev1.Secret{ObjectMeta: named("shop", "login"), Data: map[string][]byte{"password": []byte("correct-horse")}}
	secret.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"data":{"password":"correct-horse"}}`, "team": "shop"}
	return append(slices.Concat(web, db), namespaceNamed("shop"), namespaceNamed("data"), &corev1.Node{ObjectMeta: named("", "node-1")}, secret,
		&corev1.Service{ObjectMeta: named("shop", "web")}, &corev1.ConfigMap{ObjectMeta: named("shop", "settings"), Data: map[string]string{"a": "b"}})
}

func optionsFor(s *kubetest.Server) Options {
	return Options{Flags: Flags{Kubeconfig: s.Kubeconfig("shop"), RequestTimeout: "5s"}}
}

func kindOf(t *testing.T, name string) cluster.Kind {
	t.Helper()
	k, ok := cluster.KindNamed(name)
	if !ok {
		t.Fatalf("no kind %q", name)
	}
	return k
}
