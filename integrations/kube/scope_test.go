package kube

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/integrations/kube/kubetest"
)

func TestOneNamespace(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	opts := optionsFor(server)
	opts.Flags.Namespaces = []string{"shop"}
	s, stats, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Info().Namespaces; !slices.Equal(got, []string{"shop"}) {
		t.Errorf("namespaces %q", got)
	}
	if len(s.Objects(cluster.Pods)) != 3 || !s.Sees(cluster.Pods, "shop") || s.Sees(cluster.Pods, "data") || !s.Sees(cluster.Nodes, "") {
		t.Errorf("pods %d, %+v", len(s.Objects(cluster.Pods)), s.Access(cluster.Pods))
	}
	if want := builtIn() + 4 + len(surroundings); stats.Requests != want { // version, groups, health and the namespace
		t.Errorf("%d requests, want %d", stats.Requests, want)
	}
}

func TestTwoNamespaces(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	opts := optionsFor(server)
	opts.Flags.Namespaces = []string{"shop", "data", "shop"}
	s, _, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Objects(cluster.Pods)) != 4 || !s.Sees(cluster.Pods, "data") || len(s.Access(cluster.Pods)) != 2 {
		t.Errorf("pods %d, %+v", len(s.Objects(cluster.Pods)), s.Access(cluster.Pods))
	}
}

// Why a pod has no node, only the pods of all namespaces tell.
func TestUnscheduledPods(t *testing.T) {
	waiting := podNamed("shop", "waiting")
	waiting.Spec.NodeName, waiting.Status = "", corev1.PodStatus{Phase: corev1.PodPending}
	for name, forbidden := range map[string]bool{"allowed": false, "forbidden": true} {
		t.Run(name, func(t *testing.T) {
			server := kubetest.NewServer(t, append(shop(), waiting)...)
			if forbidden {
				server.Fail(kubetest.Forbidden(kubetest.ListAll("pods")))
			}
			opts := optionsFor(server)
			opts.Flags.Namespaces = []string{"shop"}
			s, _, err := Collect(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			want := 5
			if forbidden {
				want = 4
			}
			if got := len(s.Objects(cluster.Pods)); got != want || s.Sees(cluster.Pods, "data") == forbidden || !s.Sees(cluster.Pods, "shop") {
				t.Errorf("%d pods, %+v", got, s.Access(cluster.Pods))
			}
			if s.InScope("data") {
				t.Error("the other namespace is in scope")
			}
		})
	}
}

func TestNamespaceNotFound(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	opts := optionsFor(server)
	opts.Flags.Namespaces = []string{"shpo"}
	_, _, err := Collect(t.Context(), opts)
	checkError(t, err, NamespaceNotFound, `namespace "shpo" not found`, `did you mean "shop"? see which there are: kubectl get namespaces --kubeconfig`)

	server.Fail(kubetest.Forbidden(kubetest.ListAll("namespaces")))
	_, _, err = Collect(t.Context(), opts)
	checkError(t, err, NamespaceNotFound, `namespace "shpo" not found`, "kubectl get namespaces")

	opts.Flags.Namespaces = []string{"Shop!"}
	_, _, err = Collect(t.Context(), opts)
	checkError(t, err, NamespaceNotFound, `"Shop!" cannot be the name of a namespace`, "")
}

// A user with rights in one namespace may not even ask for it by name.
func TestNamespaceGetForbidden(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	server.Fail(kubetest.Forbidden(func(r kubetest.Request) bool {
		return r.Resource == "namespaces" || r.Resource != "" && r.Namespace == ""
	}))
	opts := optionsFor(server)
	opts.Flags.Namespaces = []string{"shop"}
	s, _, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Objects(cluster.Pods)) != 3 || s.Sees(cluster.Nodes, "") || s.Access(cluster.Nodes)[0].State != cluster.Forbidden {
		t.Errorf("%+v", s.Access(cluster.Nodes))
	}
}

// Without rights in all namespaces, the context's own is looked at, and it is said.
func TestFallback(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	server.Fail(kubetest.Forbidden(func(r kubetest.Request) bool { return r.Resource != "" && r.Namespace == "" }))
	opts := optionsFor(server)
	opts.Flags.AllNamespaces, opts.Flags.Namespaces = true, []string{"data"}
	s, stats, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Info().Namespaces; !slices.Equal(got, []string{"shop"}) {
		t.Errorf("namespaces %q", got)
	}
	a := s.Access(cluster.Pods)
	if len(a) != 2 || a[0].State != cluster.Forbidden || a[0].Namespace != "" || a[1].State != cluster.Complete || a[1].Namespace != "shop" {
		t.Errorf("%+v", a)
	}
	if want := "kubectl auth can-i list pods -A --kubeconfig "; !strings.HasPrefix(a[0].Hint, want) || !strings.HasSuffix(a[0].Hint, " --context test") {
		t.Errorf("hint %q", a[0].Hint)
	}
	if len(stats.Notes) != 1 || !strings.Contains(stats.Notes[0], `only namespace "shop" was looked at`) {
		t.Errorf("notes %q", stats.Notes)
	}
	if stats.Requests > 2*builtIn() {
		t.Errorf("%d requests", stats.Requests)
	}
}

// One forbidden kind does not narrow the scope of the others.
func TestFallbackOfOneKind(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	server.Fail(kubetest.Forbidden(kubetest.ListAll("configmaps")))
	s, stats, err := Collect(t.Context(), optionsFor(server))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Info().Namespaces) != 0 || len(stats.Notes) != 0 || len(s.Objects(cluster.Pods)) != 4 {
		t.Errorf("%+v %q", s.Info(), stats.Notes)
	}
	if !s.Sees(cluster.ConfigMaps, "shop") || s.Sees(cluster.ConfigMaps, "data") || len(s.Objects(cluster.ConfigMaps)) != 1 {
		t.Errorf("%+v", s.Access(cluster.ConfigMaps))
	}
}

// All forbidden is an answer, not an error: the access records say it.
func TestAllForbidden(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	server.Fail(kubetest.Forbidden(func(r kubetest.Request) bool { return r.Resource != "" }))
	s, _, err := Collect(t.Context(), optionsFor(server))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range cluster.Kinds() {
		if !k.Custom() && s.Access(k.GroupKind())[0].State != cluster.Forbidden {
			t.Errorf("%+v", s.Access(k.GroupKind()))
		}
	}
	if s.Count() != 0 || len(s.Info().Namespaces) != 0 {
		t.Errorf("%+v", s.Info())
	}
}
