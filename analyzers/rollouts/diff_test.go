package rollouts_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/rollouts"
)

func TestDiff(t *testing.T) {
	old := `
metadata:
  labels: {app: web, pod-template-hash: aaaa}
  annotations: {team: shop}
spec:
  serviceAccountName: web
  nodeSelector: {disk: ssd}
  containers:
    - name: web
      image: shop/web:1.4.2
      args: ["-listen=:8080"]
      env:
        - {name: LANG, value: en}
        - {name: EMPTY}
        - {name: DB_HOST, value: orders-db}
        - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
      ports: [{name: http, containerPort: 8080}]
      resources: {limits: {memory: 128Mi}, requests: {cpu: 100m}}
      readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 5}
      volumeMounts: [{name: config, mountPath: /etc/web}]
  volumes: [{name: config, configMap: {name: web}}]
`
	changed := `
metadata:
  labels: {app: web, pod-template-hash: bbbb}
  annotations: {team: shop, kubectl.kubernetes.io/restartedAt: "2026-11-23T06:26:29Z"}
spec:
  serviceAccountName: web2
  nodeSelector: {disk: hdd}
  tolerations: [{key: gpu, operator: Exists}]
  containers:
    - name: proxy
      image: shop/proxy:1
    - name: web
      image: shop/web:1.5.0
      args: ["-listen=:8081"]
      env:
        - {name: LANG, value: en}
        - {name: EMPTY}
        - {name: DB_HOST, valueFrom: {configMapKeyRef: {name: db, key: host}}}
        - {name: NEW, value: "1"}
      envFrom: [{secretRef: {name: db}}]
      ports: [{name: http, containerPort: 8081}]
      resources: {limits: {memory: 64Mi}}
      readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 5}
      livenessProbe: {tcpSocket: {port: 8081}}
      securityContext: {runAsNonRoot: true}
      volumeMounts: [{name: config, mountPath: /etc/web}]
  volumes: [{name: config, secret: {secretName: web}}]
`
	want := []rollouts.Change{
		{Path: "spec.containers[web].image", Old: "shop/web:1.4.2", New: "shop/web:1.5.0"},
		{Path: "spec.containers[web].args", Old: `["-listen=:8080"]`, New: `["-listen=:8081"]`},
		{Path: "spec.containers[web].env[DB_HOST]", Old: "orders-db", New: "configMapKeyRef db/host"},
		{Path: "spec.containers[web].env[DB_PASSWORD]", Old: "secretKeyRef db/password"},
		{Path: "spec.containers[web].env[NEW]", New: "1"},
		{Path: "spec.containers[web].envFrom", New: `[{"secretRef":{"name":"db"}}]`},
		{Path: "spec.containers[web].resources.limits.memory", Old: "128Mi", New: "64Mi"},
		{Path: "spec.containers[web].resources.requests.cpu", Old: "100m"},
		{Path: "spec.containers[web].livenessProbe", New: `{"tcpSocket":{"port":8081}}`},
		{Path: "spec.containers[web].readinessProbe.httpGet.path", Old: "/readyz", New: "/ready"},
		{Path: "spec.containers[web].ports[http].containerPort", Old: "8080", New: "8081"},
		{Path: "spec.volumes[config].configMap", Old: `{"name":"web"}`},
		{Path: "spec.volumes[config].secret", New: `{"secretName":"web"}`},
		{Path: "spec.containers[web].securityContext.runAsNonRoot", New: "true"},
		{Path: "spec.serviceAccountName", Old: "web", New: "web2"},
		{Path: "spec.nodeSelector.disk", Old: "ssd", New: "hdd"},
		{Path: "spec.tolerations", New: `[{"key":"gpu","operator":"Exists"}]`},
		{Path: "spec.containers[proxy]", New: "shop/proxy:1"},
		{Path: "metadata.annotations.kubectl.kubernetes.io/restartedAt", New: "2026-11-23T06:26:29Z"},
	}
	if d := cmp.Diff(want, rollouts.Diff(template(t, old), template(t, changed))); d != "" {
		t.Error(d)
	}
	if got := rollouts.Diff(template(t, old), template(t, old)); len(got) > 0 {
		t.Errorf("a template differs from itself: %v", got)
	}
	if got := rollouts.Diff(nil, nil); len(got) > 0 {
		t.Errorf("nothing differs from nothing: %v", got)
	}
	if got := (rollouts.Change{Path: "spec.x", New: "1"}).String(); got != "spec.x: none → 1" {
		t.Error(got)
	}
}

func template(t *testing.T, text string) *corev1.PodTemplateSpec {
	t.Helper()
	var out corev1.PodTemplateSpec
	if err := yaml.UnmarshalStrict([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestRevisionsOfDeployment(t *testing.T) {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "d"}, Spec: appsv1.DeploymentSpec{Template: image("web:3")}}
	s := snapshot(d, replicaSet("a", "1", "web:1", 2), replicaSet("b", "2", "web:2", 0), replicaSet("c", "3", "web:3", 0))
	list := rollouts.RevisionsOf(s, d)
	if got := numbers(list); got != "3* 2 1" {
		t.Errorf("revisions %s", got)
	}
	good, ok := rollouts.LastGood(list)
	if !ok || good.Number != 1 || !good.Served || good.Object.Kind != "ReplicaSet" {
		t.Errorf("last good %+v", good)
	}
	from, to, changes, ok := rollouts.WhatChanged(s, d)
	if !ok || from.Number != 1 || to.Number != 3 || len(changes) != 1 || changes[0].New != "web:3" {
		t.Errorf("changed from %d to %d: %v", from.Number, to.Number, changes)
	}

	// A change that is not rolled out yet, and no old pod left.
	d.Spec.Template = image("web:4")
	list = rollouts.RevisionsOf(snapshot(d, replicaSet("c", "3", "web:3", 0)), d)
	if got := numbers(list); got != "4* 3" || list[0].Object.Kind != "Deployment" {
		t.Errorf("revisions %s", got)
	}
	if good, ok := rollouts.LastGood(list); !ok || good.Served {
		t.Errorf("nothing proves revision %d", good.Number)
	}

	// Back to an old revision: its ReplicaSet has the newest number.
	d.Spec.Template = image("web:1")
	if got := numbers(rollouts.RevisionsOf(snapshot(d, replicaSet("a", "3", "web:1", 0), replicaSet("b", "2", "web:2", 1)), d)); got != "3* 2" {
		t.Errorf("revisions %s", got)
	}
	if _, ok := rollouts.LastGood(nil); ok {
		t.Error("nothing is good")
	}
}

func TestRevisionsOfStatefulSet(t *testing.T) {
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "shop", UID: "d"},
		Status:     appsv1.StatefulSetStatus{CurrentRevision: "db-1", UpdateRevision: "db-3"},
	}
	revision := func(name string, n int64, img string) *appsv1.ControllerRevision {
		return &appsv1.ControllerRevision{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", OwnerReferences: owned("StatefulSet")},
			Revision:   n,
			Data:       runtime.RawExtension{Raw: []byte(`{"spec":{"template":{"$patch":"replace","spec":{"containers":[{"name":"web","image":"` + img + `"}]}}}}`)},
		}
	}
	s := snapshot(set, revision("db-1", 1, "db:1"), revision("db-2", 2, "db:2"), revision("db-3", 3, "db:3"))
	list := rollouts.RevisionsOf(s, set)
	if got := numbers(list); got != "3* 2 1" {
		t.Errorf("revisions %s", got)
	}
	if good, ok := rollouts.LastGood(list); !ok || good.Number != 1 || good.Template.Spec.Containers[0].Image != "db:1" {
		t.Errorf("last good %+v", good)
	}
}

func numbers(list []rollouts.Revision) string {
	out := ""
	for i, r := range list {
		if i > 0 {
			out += " "
		}
		out += string(rune('0' + r.Number))
		if r.Current {
			out += "*"
		}
	}
	return out
}

func image(name string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: name}}}}
}

func owned(kind string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: "web", UID: "d", Controller: &yes}}
}

func replicaSet(name, revision, img string, ready int32) *appsv1.ReplicaSet {
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "shop", UID: "rs-" + "x", OwnerReferences: owned("Deployment"),
			Annotations: map[string]string{"deployment.kubernetes.io/revision": revision},
		},
		Spec:   appsv1.ReplicaSetSpec{Template: image(img)},
		Status: appsv1.ReplicaSetStatus{ReadyReplicas: ready},
	}
	rs.Spec.Template.Labels = map[string]string{"pod-template-hash": name}
	return rs
}

func snapshot(objects ...cluster.Object) *cluster.Snapshot {
	b := cluster.NewBuilder(cluster.Info{CapturedAt: time.Date(2026, 11, 23, 6, 40, 0, 0, time.UTC)})
	b.Add(objects...)
	return b.Build()
}
