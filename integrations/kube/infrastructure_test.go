package kube

import (
	"fmt"
	"testing"

	"github.com/kubefathom/fathom/integrations/kube/kubetest"
)

// What serves the whole cluster tells its log though it is well and out of scope.
func TestInfrastructureLogs(t *testing.T) {
	objects, pods := deployed("kube-system", "coredns", 1, 4)
	server := kubetest.NewServer(t, append(append(shop(), namespaceNamed("kube-system")), objects...)...)
	for i, p := range pods {
		p.Labels = map[string]string{"k8s-app": "kube-dns"}
		server.SetLog(p.Namespace, p.Name, "app", false, fmt.Sprintf("[ERROR] plugin/errors: %d\n", i))
	}
	crashing(pods[3], 4)
	server.SetLog("kube-system", pods[3].Name, "app", true, "Corefile:1: unknown directive\n")
	opts := optionsFor(server)
	opts.Flags.Namespaces = []string{"shop"}
	s, _, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range s.Logs() {
		if l.Namespace == "kube-system" {
			got = append(got, fmt.Sprint(l.Pod, l.Previous, l.Why))
		}
	}
	if len(got) != 2 || got[0] != "coredns-1-0false" || got[1] != "coredns-1-3true" {
		t.Errorf("logs of %q", got)
	}
	for _, r := range server.Requests() {
		if r.Subresource == "log" && r.Namespace == "kube-system" && r.Query.Get("previous") == "" && r.Query.Get("tailLines") != "500" {
			t.Errorf("%s lines", r.Query.Get("tailLines"))
		}
	}
}
