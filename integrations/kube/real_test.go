package kube

import (
	"os"
	"testing"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// TestRealCluster reads the cluster of FATHOM_TEST_KUBECONFIG, which must let everything
// be read.
func TestRealCluster(t *testing.T) {
	path := os.Getenv("FATHOM_TEST_KUBECONFIG")
	if path == "" {
		t.Skip("FATHOM_TEST_KUBECONFIG is not set")
	}
	s, stats, err := Collect(t.Context(), Options{Flags: Flags{Kubeconfig: path}})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range cluster.Kinds() {
		for _, a := range s.Access(k.GroupKind()) {
			if a.State != cluster.Complete {
				t.Errorf("%+v", a)
			}
		}
	}
	if len(s.Objects(cluster.Namespaces)) < 4 || s.Info().Version == "" {
		t.Errorf("%+v, %d namespaces", s.Info(), len(s.Objects(cluster.Namespaces)))
	}
	t.Logf("%d objects, %d requests, %d bytes, %s, logs %+v", s.Count(), stats.Requests, stats.Bytes, stats.Took, stats.Logs)
	for _, l := range s.Logs() {
		if l.Why != "" {
			t.Logf("log of %s/%s %s: %s", l.Namespace, l.Pod, l.Container, l.Why)
		}
	}
}
