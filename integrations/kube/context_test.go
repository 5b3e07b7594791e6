package kube

import (
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/integrations/kube/kubetest"
)

// Beside the namespaces asked for, the cluster's DNS is read, and what is told about nodes.
func TestSurroundings(t *testing.T) {
	dns := &corev1.Service{ObjectMeta: named("kube-system", "kube-dns")}
	server := kubetest.NewServer(t, append(shop(), dns)...)
	opts := optionsFor(server)
	opts.Flags.Namespaces = []string{"shop"}
	s, _, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := cluster.Find[*corev1.Service](s, "kube-system", "kube-dns"); !ok || s.InScope("kube-system") || !s.Sees(cluster.Services, "kube-system") {
		t.Errorf("the Service of DNS was not read: %+v", s.Access(cluster.Services))
	}
	if s.Sees(cluster.Pods, "kube-system") || s.Sees(cluster.ConfigMaps, "kube-system") || s.Sees(cluster.Events, "default") {
		t.Error("a part of a kind counts as the whole of it")
	}
	selectors := map[string]bool{}
	for _, r := range server.Requests() {
		if r.Namespace == "kube-system" || r.Namespace == "default" {
			selectors[r.Resource+" "+r.Query.Get("labelSelector")+r.Query.Get("fieldSelector")] = true
		}
	}
	for _, want := range []string{"pods k8s-app in (kube-dns,coredns,metrics-server)", "configmaps metadata.name=coredns", "events involvedObject.kind=Node", "services "} {
		if !selectors[want] {
			t.Errorf("%q was not asked for: %v", want, selectors)
		}
	}
}

// A user of one namespace is not bothered with what lies beside it.
func TestSurroundingsForbidden(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	server.Fail(kubetest.Forbidden(func(r kubetest.Request) bool { return r.Namespace == "kube-system" || r.Namespace == "default" }))
	opts := optionsFor(server)
	opts.Flags.Namespaces = []string{"shop"}
	s, _, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range cluster.Kinds() {
		for _, a := range s.Access(k.GroupKind()) {
			if a.State == cluster.Forbidden {
				t.Errorf("%+v", a)
			}
		}
	}
}

// Kinds of other projects are read in the best version that the server has, and cost no
// request where it has none.
func TestOtherProjects(t *testing.T) {
	object := func(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": apiVersion, "kind": kind, "spec": map[string]any{"port": int64(80)},
			"metadata": map[string]any{"namespace": namespace, "name": name, "managedFields": []any{map[string]any{"manager": "x"}}},
		}}
	}
	server := kubetest.NewServer(t, append(shop(),
		object("gateway.networking.k8s.io/v1beta1", "HTTPRoute", "shop", "web"),
		object("apiregistration.k8s.io/v1", "APIService", "", "v1beta1.metrics.k8s.io"),
		object("cert-manager.io/v1alpha2", "Certificate", "shop", "web"))...)
	s, _, err := Collect(t.Context(), optionsFor(server))
	if err != nil {
		t.Fatal(err)
	}
	route, ok := s.Get(cluster.Ref{APIVersion: "gateway.networking.k8s.io/v1beta1", Kind: "HTTPRoute", Namespace: "shop", Name: "web"})
	if !ok || len(route.GetManagedFields()) != 0 {
		t.Fatalf("%+v", s.Access(cluster.HTTPRoutes))
	}
	got, err := cluster.As[struct {
		Spec struct {
			Port int32 `json:"port"`
		} `json:"spec"`
	}](route)
	if err != nil || got.Spec.Port != 80 {
		t.Errorf("%+v %v", got, err)
	}
	if _, ok := s.Get(cluster.Ref{APIVersion: "apiregistration.k8s.io/v1", Kind: "APIService", Name: "v1beta1.metrics.k8s.io"}); !ok {
		t.Errorf("%+v", s.Access(cluster.APIServices))
	}
	if a := s.Access(cluster.Certificates)[0]; a.State != cluster.Failed || !strings.Contains(a.Why, `["v1alpha2"]`) || s.Sees(cluster.Certificates, "shop") {
		t.Errorf("a version that nobody can read: %+v", a)
	}
	if a := s.Access(cluster.ScaledObjects)[0]; a.State != cluster.NotServed {
		t.Errorf("%+v", a)
	}
	for _, r := range server.Requests() {
		if r.Group == "keda.sh" {
			t.Errorf("asked for %s", r.Path)
		}
	}
}

// A server that keeps its groups to itself is asked for each kind.
func TestGroupsForbidden(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	server.Fail(kubetest.Forbidden(func(r kubetest.Request) bool { return r.Path == "/apis" }))
	s, stats, err := Collect(t.Context(), optionsFor(server))
	if err != nil {
		t.Fatal(err)
	}
	if stats.Requests < len(cluster.Kinds()) || s.Access(cluster.Gateways)[0].State != cluster.NotServed {
		t.Errorf("%d requests, %+v", stats.Requests, s.Access(cluster.Gateways))
	}
}

// The type of a Secret is known where an Ingress needs one of type TLS, and no value is read.
func TestSecretTypes(t *testing.T) {
	opaque := &corev1.Secret{ObjectMeta: named("shop", "tls-by-hand"), Type: corev1.SecretTypeOpaque}
	right := &corev1.Secret{ObjectMeta: named("shop", "tls"), Type: corev1.SecretTypeTLS}
	ingress := &networkingv1.Ingress{ObjectMeta: named("shop", "web"), Spec: networkingv1.IngressSpec{TLS: []networkingv1.IngressTLS{{SecretName: "tls"}}}}
	s, _, err := Collect(t.Context(), optionsFor(kubetest.NewServer(t, append(shop(), opaque, right, ingress)...)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]corev1.SecretType{"tls-by-hand": corev1.SecretTypeOpaque, "tls": ""} {
		if secret, ok := cluster.Find[*cluster.Secret](s, "shop", name); !ok || secret.Type != want {
			t.Errorf("%s: %+v", name, secret)
		}
	}
}

func TestHealth(t *testing.T) {
	readyz := func(r kubetest.Request) bool { return r.Path == "/readyz" }
	const broken = "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"
	for name, tc := range map[string]struct {
		fault  *kubetest.Fault
		status int
		text   string
		why    string
	}{
		"well":      {nil, 200, "[+]etcd ok", ""},
		"not well":  {kubetest.Answer(readyz, http.StatusInternalServerError, "text/plain; charset=utf-8", broken), 500, "[-]etcd failed: reason withheld", ""},
		"forbidden": {kubetest.Forbidden(readyz), 0, "", "forbidden"},
		"no such":   {kubetest.NotServed(readyz), 0, "", "not find"},
	} {
		t.Run(name, func(t *testing.T) {
			server := kubetest.NewServer(t, shop()...)
			if tc.fault != nil {
				server.Fail(tc.fault)
			}
			s, _, err := Collect(t.Context(), optionsFor(server))
			if err != nil {
				t.Fatal(err)
			}
			h, ok := s.Health(cluster.Readyz)
			if ok != (tc.status != 0) || h.Status != tc.status || !strings.Contains(h.Text, tc.text) || !strings.Contains(h.Why, tc.why) {
				t.Errorf("%+v", h)
			}
			n := 0
			for _, r := range server.Requests() {
				if readyz(r) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}
