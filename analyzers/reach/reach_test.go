package reach_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/reach"
)

func load(t *testing.T) *cluster.Snapshot {
	t.Helper()
	s, err := analysistest.Load("testdata/world.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// endpoint reads "Pod shop/db-0", "Deployment shop/later", "outside host" or an address.
func endpoint(t *testing.T, s *cluster.Snapshot, text string) reach.Endpoint {
	t.Helper()
	if ip, err := netip.ParseAddr(text); err == nil {
		return reach.OfIP(s, ip)
	}
	kind, rest, _ := strings.Cut(text, " ")
	if kind == "outside" {
		return reach.Endpoint{Host: rest}
	}
	k, _ := cluster.KindNamed(kind)
	namespace, name, _ := strings.Cut(rest, "/")
	o, ok := s.Get(cluster.Ref{APIVersion: k.GroupVersion().String(), Kind: k.Kind, Namespace: namespace, Name: name})
	if !ok {
		t.Fatalf("there is no %s", text)
	}
	e, ok := reach.Of(s, o)
	if !ok {
		t.Fatalf("%s is no end", text)
	}
	return e
}

func TestEvaluate(t *testing.T) {
	s := load(t)
	for name, c := range map[string]struct {
		from, to string
		ask      reach.Ask
		state    reach.State
		why      string // part of it
		slip     reach.Slip
	}{
		"a Service leads to its pods' port":           {from: "Pod web/front", to: "Service shop/db", ask: reach.Ask{Number: 5432}, state: reach.Denied, why: "no rule of it allows this"},
		"two selectors in one entry":                  {from: "Pod shop/web-1", to: "Service shop/db", ask: reach.Ask{Name: "pg"}, state: reach.Denied, why: "NetworkPolicy shop/db restricts the ingress", slip: reach.OneEntry},
		"a headless Service translates nothing":       {from: "Pod shop/web-1", to: "Service shop/db-headless", ask: reach.Ask{Number: 5435}, state: reach.Denied, why: "NetworkPolicy shop/web-egress"},
		"the own node gets in":                        {from: "192.168.0.1", to: "Pod shop/db-0", ask: reach.Ask{Number: 5432}, state: reach.Allowed, why: "its own node"},
		"another node does not":                       {from: "192.168.0.2", to: "Pod shop/db-0", ask: reach.Ask{Number: 5432}, state: reach.Denied},
		"a pod of the host network is the node":       {from: "Pod shop/agent", to: "Pod shop/db-0", ask: reach.Ask{Number: 5432}, state: reach.Allowed, why: "its own node"},
		"nor is it restricted":                        {from: "Pod web/front", to: "Pod shop/agent", ask: reach.Ask{Number: 80}, state: reach.Allowed},
		"a pod reaches itself":                        {from: "Pod shop/db-0", to: "Pod shop/db-0", state: reach.Allowed, why: "reach itself"},
		"outside, within a block":                     {from: "Pod shop/web-1", to: "198.51.100.7", ask: reach.Ask{Number: 443}, state: reach.Allowed, why: "spec.egress[1] of NetworkPolicy shop/web-egress allows it"},
		"outside, excepted":                           {from: "Pod shop/web-1", to: "198.51.100.200", ask: reach.Ask{Number: 443}, state: reach.Denied},
		"outside, without a port":                     {from: "Pod shop/web-1", to: "198.51.100.7", state: reach.NotEvaluated, why: "depend on the port"},
		"outside, by name":                            {from: "Pod shop/web-1", to: "outside api.example.com", ask: reach.Ask{Number: 443}, state: reach.NotEvaluated, why: "the address of api.example.com is not known"},
		"outside, by name, on a port that is not let": {from: "Pod shop/web-1", to: "outside api.example.com", ask: reach.Ask{Number: 22, Protocol: corev1.ProtocolUDP}, state: reach.NotEvaluated},
		"the API server by its ClusterIP":             {from: "Pod shop/web-1", to: "10.96.0.1", ask: reach.Ask{Number: 443}, state: reach.Denied, slip: reach.ServiceBlock},
		"an address of the pod network without a pod": {from: "10.244.1.99", to: "Pod shop/db-0", ask: reach.Ask{Number: 5432}, state: reach.NotEvaluated, why: "no pod that was read has it"},
		"policies that could not be read":             {from: "Pod shop/db-0", to: "Pod closed/secret", ask: reach.Ask{Number: 80}, state: reach.NotEvaluated, why: "networkpolicies in namespace closed could not be read (forbidden)"},
		"policies of the administrators":              {from: "Pod web/ruled", to: "Pod web/front", ask: reach.Ask{Number: 80}, state: reach.NotEvaluated, why: "AdminNetworkPolicy tenants may apply to Pod web/ruled"},
		"those are about other pods":                  {from: "Pod shop/db-0", to: "Pod web/front", ask: reach.Ask{Number: 80}, state: reach.Allowed},
		"a name elsewhere":                            {from: "Pod shop/db-0", to: "Service shop/mail", ask: reach.Ask{Number: 25}, state: reach.NotEvaluated, why: "only stands for the name mail.example.com"},
		"nothing behind it":                           {from: "Pod shop/db-0", to: "Service shop/empty", ask: reach.Ask{Number: 80}, state: reach.NotEvaluated, why: "no pod or address behind it"},
		"scaled to zero":                              {from: "Pod shop/db-0", to: "Service shop/later", ask: reach.Ask{Number: 80}, state: reach.Allowed},
		"from what the template would make":           {from: "Deployment shop/later", to: "Service shop/db", ask: reach.Ask{Number: 5432}, state: reach.Denied},
		"from the pods of a Service":                  {from: "Service shop/db", to: "Pod web/front", ask: reach.Ask{Number: 80}, state: reach.Allowed},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := reach.Evaluate(s, endpoint(t, s, c.from), endpoint(t, s, c.to), c.ask)
			if err != nil {
				t.Fatal(err)
			}
			if a.State != c.state || !strings.Contains(a.Why, c.why) {
				t.Errorf("%s (%s), want %s (%s)", a.State, a.Why, c.state, c.why)
			}
			var slips []reach.Slip
			for _, h := range a.Hops {
				for _, side := range h.Denies() {
					for _, n := range side.Near {
						slips = append(slips, n.Slip)
					}
				}
			}
			if c.slip != "" && (len(slips) == 0 || slips[0] != c.slip) || c.slip == "" && len(slips) > 0 {
				t.Errorf("slips %v, want %q", slips, c.slip)
			}
		})
	}
}

func TestPortErrors(t *testing.T) {
	s := load(t)
	for to, c := range map[string]struct {
		ask  reach.Ask
		want string
	}{
		"Service shop/db": {reach.Ask{Number: 80}, "Service shop/db has no port 80, only 5432/TCP (pg)"},
		"Pod shop/db-0":   {reach.Ask{Name: "http"}, "Pod shop/db-0 has no port http, only pg"},
		"203.0.113.1":     {reach.Ask{Name: "http"}, "203.0.113.1 has no port http"},
	} {
		if _, err := reach.Evaluate(s, endpoint(t, s, "Pod web/front"), endpoint(t, s, to), c.ask); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", to, err, c.want)
		}
	}
}

// TestFormats: the policies that are printed hold no field that only the server writes.
func TestFormats(t *testing.T) {
	s := load(t)
	a, err := reach.Evaluate(s, endpoint(t, s, "Pod web/front"), endpoint(t, s, "Service shop/db"), reach.Ask{Number: 5432})
	if err != nil {
		t.Fatal(err)
	}
	var policies, asJSON, asYAML bytes.Buffer
	if err := a.Policies(&policies, s); err != nil {
		t.Fatal(err)
	}
	if out := policies.String(); !strings.Contains(out, "app: front") || strings.Contains(out, "uid") || strings.Contains(out, "creationTimestamp") {
		t.Errorf("policies:\n%s", out)
	}
	if a.JSON(&asJSON) != nil || !strings.Contains(asJSON.String(), `"kind": "Reach"`) {
		t.Errorf("JSON:\n%s", &asJSON)
	}
	if a.YAML(&asYAML) != nil || !strings.Contains(asYAML.String(), "kind: Reach") {
		t.Errorf("YAML:\n%s", &asYAML)
	}
}
