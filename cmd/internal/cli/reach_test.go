package cli

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubefathom/fathom/integrations/kube/kubetest"
)

// TestReachEnds: ends are read as people type them.
func TestReachEnds(t *testing.T) {
	for text, want := range map[string]end{
		"web":                      {name: "web"},
		"deploy/web":               {kind: "deploy", name: "web"},
		"shop/web":                 {namespace: "shop", name: "web"},
		"shop/pod/web-1":           {namespace: "shop", kind: "pod", name: "web-1"},
		"db.shop":                  {namespace: "shop", kind: "service", name: "db"},
		"db.shop.svc":              {namespace: "shop", kind: "service", name: "db"},
		"db.shop.svc.cluster.test": {namespace: "shop", kind: "service", name: "db"},
	} {
		want.text = text
		if got, err := parseEnd(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"10.0.0.1", "fd00::1", "[fd00::1]", "::ffff:10.0.0.1"} {
		if got, err := parseEnd(text); err != nil || !got.ip.IsValid() || got.ip.Is4In6() {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a/b/c/d", "deploy/", "www.example.com", "shop/gizmo/web"} {
		if got, err := parseEnd(text); err == nil {
			t.Errorf("%q names %+v", text, got)
		}
	}
	for text, want := range map[string][2]string{"db:5432": {"db", "5432"}, "[fd00::1]:53": {"fd00::1", "53"}, "svc/db:pg": {"svc/db", "pg"}} {
		if host, port, ok := cutPort(text); !ok || host != want[0] || port != want[1] {
			t.Errorf("%s: %s %s %t", text, host, port, ok)
		}
	}
	for _, text := range []string{"fd00::1", "db", "10.0.0.1"} {
		if _, _, ok := cutPort(text); ok {
			t.Errorf("%s has no port", text)
		}
	}
}

// TestReachLive: the exit codes are those of scan, and policies that may not be read are
// no "allowed".
func TestReachLive(t *testing.T) {
	objects := brokenShop()
	objects = append(objects, &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "deny-all"},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}},
	}, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "client"}, Spec: corev1.PodSpec{NodeName: "n2", Containers: []corev1.Container{{Name: "c"}}}})
	server := kubetest.NewServer(t, objects...)
	t.Setenv("KUBECONFIG", server.Kubeconfig("shop"))
	for args, want := range map[string]int{
		"reach default/client svc/web":                                      exitFindings,
		"reach default/pod/client web.shop:80 -n default":                   exitFindings, // shop is read too
		"reach pod/web 203.0.113.1:443 -n shop":                             exitClean,
		"reach pod/wep svc/web -n shop":                                     exitUsage,
		"reach pod/web svc/web -n shpo":                                     exitUsage,
		"reach pod/web svc/web -n shop --server https://127.0.0.1:1":        exitUnreachable,
		"reach default/client svc/web -o json --request-timeout 10s":        exitFindings,
		"reach default/client svc/web --port 80 --protocol tcp -o policy":   exitFindings,
		"reach default/client svc/web --port 80 --protocol sctp -o policy":  exitUsage,
		"reach default/client svc/web --port 80 --color sometimes":          exitUsage,
		"reach default/client svc/web --port nosuch":                        exitUsage,
		"reach default/client svc/web --port 80 --output text --color none": exitUsage,
	} {
		if code, out, errOut := run(t, strings.Fields(args)...); code != want {
			t.Errorf("%s: code %d, want %d\n%s%s", args, code, want, out, errOut)
		}
	}
	server.Fail(kubetest.Forbidden(kubetest.List("networkpolicies")))
	code, out, errOut := run(t, "reach", "default/client", "svc/web")
	if code != exitUnreachable || !strings.HasPrefix(out, "NOT EVALUATED") || !strings.Contains(out+errOut, "could not be read (forbidden)") || !strings.Contains(errOut, "hint: ") {
		t.Errorf("code %d\n%s%s", code, out, errOut)
	}
}
