package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/integrations/kube/kubetest"
)

func TestCollect(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	var done []string
	opts := optionsFor(server)
	opts.Progress = func(p Progress) {
		if p.Done {
			done = append(done, p.Resource)
		}
	}
	s, stats, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range cluster.Kinds() { // those of other projects are not served, and not asked for
		if !s.Sees(k.GroupKind(), "shop") {
			t.Errorf("%s: %+v", k.Kind, s.Access(k.GroupKind()))
		}
	}
	if got := len(s.Objects(cluster.Pods)); got != 4 {
		t.Errorf("%d pods, want 4", got)
	}
	info := s.Info()
	if info.Context != "test" || info.Version != kubetest.Version || len(info.Namespaces) != 0 {
		t.Errorf("info %+v", info)
	}
	if age := time.Since(info.CapturedAt); age < 0 || age > time.Minute {
		t.Errorf("captured %s ago", age)
	}
	for _, k := range cluster.Kinds() {
		for _, o := range s.Objects(k.GroupKind()) {
			if len(o.GetManagedFields()) > 0 {
				t.Errorf("%s has managed fields", cluster.RefOf(o))
			}
		}
	}
	// one list for each kind, and the version, the API groups and the health
	if want := builtIn() + 3; stats.Requests != want || len(server.Requests()) != want {
		t.Errorf("%d requests, %d seen, want %d", stats.Requests, len(server.Requests()), want)
	}
	if stats.Bytes == 0 || len(stats.Kinds) != builtIn() || stats.Kinds[0].Kind != "Pod" || stats.Kinds[0].Objects != 4 {
		t.Errorf("stats %+v", stats)
	}
	if len(done) != builtIn() {
		t.Errorf("progress was done with %d resources: %q", len(done), done)
	}
}

// builtIn counts the kinds that each API server is asked for.
func builtIn() (n int) {
	for _, k := range cluster.Kinds() {
		if !k.Custom() {
			n++
		}
	}
	return n
}

func TestSecretsHaveNoData(t *testing.T) {
	for name, faults := range map[string][]*kubetest.Fault{
		"protobuf": nil,
		"json":     {kubetest.JSONOnly(kubetest.All)},
	} {
		t.Run(name, func(t *testing.T) {
			server := kubetest.NewServer(t, shop()...)
			server.Fail(faults...)
			s, _, err := Collect(t.Context(), optionsFor(server))
			if err != nil {
				t.Fatal(err)
			}
			secret, ok := cluster.Find[*cluster.Secret](s, "shop", "login")
			if !ok || secret.Annotations["team"] != "shop" {
				t.Fatalf("%+v", secret)
			}
			if text, _ := json.Marshal(secret); strings.Contains(string(text), "correct-horse") {
				t.Errorf("a value was kept: %s", text)
			}
		})
	}
	// A server that sends whole Secrets where metadata was asked for is not believed.
	server := kubetest.NewServer(t, shop()...)
	server.Fail(kubetest.Whole(kubetest.List("secrets")))
	s, _, err := Collect(t.Context(), optionsFor(server))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Objects(cluster.Secrets)) != 0 || s.Sees(cluster.Secrets, "shop") {
		t.Errorf("%+v", s.Access(cluster.Secrets))
	}
	for _, r := range server.Requests() {
		if r.Resource == "secrets" && (r.Name != "" || !strings.Contains(r.Accept, "as=PartialObjectMetadataList")) {
			t.Errorf("asked for secrets with Accept %q", r.Accept)
		}
	}
}

func TestPages(t *testing.T) {
	const n = 1234
	server := kubetest.NewServer(t)
	for i := range n {
		server.Add(podNamed("shop", fmt.Sprintf("p-%04d", n-i)))
	}
	s, stats, err := Collect(t.Context(), optionsFor(server))
	if err != nil {
		t.Fatal(err)
	}
	pods := s.Objects(cluster.Pods)
	if len(pods) != n || pods[0].GetName() != "p-0001" || pods[n-1].GetName() != "p-1234" {
		t.Errorf("%d pods", len(pods))
	}
	if stats.Kinds[0].Requests != 3 {
		t.Errorf("%d requests for %d pods", stats.Kinds[0].Requests, n)
	}
	for _, r := range server.Requests() {
		if r.Resource == "pods" && r.Query.Get("limit") != "500" {
			t.Errorf("limit %q", r.Query.Get("limit"))
		}
	}
}

// The budget for a cluster of 1,000 pods, 200 Services and 100 failing pods.
func TestRequestBudget(t *testing.T) {
	server := kubetest.NewServer(t)
	for d := range 100 {
		objects, pods := deployed(fmt.Sprintf("team-%02d", d%20), fmt.Sprintf("app-%02d", d), 1, 10)
		server.Add(objects...)
		if d < 10 {
			for _, p := range pods {
				crashing(p, 9)
				server.SetLog(p.Namespace, p.Name, "app", true, "panic: no\n")
			}
		}
	}
	for i := range 200 {
		server.Add(&corev1.Service{ObjectMeta: named(fmt.Sprintf("team-%02d", i%20), fmt.Sprintf("app-%03d", i))},
			&corev1.ConfigMap{ObjectMeta: named(fmt.Sprintf("team-%02d", i%20), fmt.Sprintf("app-%03d", i))})
	}
	for i := range 1000 {
		server.Add(&corev1.Event{ObjectMeta: named("team-00", fmt.Sprintf("e-%d", i))})
	}
	_, stats, err := Collect(t.Context(), optionsFor(server))
	if err != nil {
		t.Fatal(err)
	}
	if lists := stats.Requests - stats.Logs.Requests; lists > 60 {
		t.Errorf("%d requests beside the logs", lists)
	}
	if stats.Logs.Owners != 10 || stats.Logs.Requests > 4*stats.Logs.Owners || stats.Logs.Read != stats.Logs.Requests {
		t.Errorf("logs %+v", stats.Logs)
	}
}

func TestFaults(t *testing.T) {
	pods, settings := kubetest.List("pods"), kubetest.List("configmaps")
	for name, tc := range map[string]struct {
		fault   *kubetest.Fault
		kind    string
		state   cluster.State
		why     string
		hint    string
		objects int
		whole   bool // the list is asked for again, without pages
	}{
		"forbidden cluster-wide": {kubetest.Forbidden(kubetest.ListAll("nodes")), "nodes", cluster.Forbidden, "cannot list resource", "kubectl auth can-i list nodes --kubeconfig", 0, false},
		"one kind unauthorized":  {kubetest.Unauthorized(settings), "configmaps", cluster.Forbidden, "Unauthorized", "kubectl auth whoami", 0, false},
		"not served":             {kubetest.NotServed(kubetest.List("horizontalpodautoscalers")), "hpa", cluster.NotServed, "does not have horizontalpodautoscalers in autoscaling/v2", "kubectl api-resources --api-group autoscaling", 0, false},
		"core kind not found":    {kubetest.NotServed(settings), "configmaps", cluster.Failed, "every Kubernetes API server has", "kubectl get configmaps", 0, false},
		"500 once":               {times(1, kubetest.ServerError(pods)), "pods", cluster.Complete, "", "", 600, false},
		"500 always":             {kubetest.ServerError(pods), "pods", cluster.Failed, "answers 500: ", "kubectl get pods --request-timeout 2m -A", 0, false},
		"503 once":               {times(1, kubetest.Unavailable(pods)), "pods", cluster.Complete, "", "", 600, false},
		"429 twice":              {times(2, kubetest.TooMany(pods, 1)), "pods", cluster.Complete, "", "", 600, false},
		"429 always":             {kubetest.TooMany(pods, 1), "pods", cluster.Failed, "answers 429: ", "", 0, false},
		"429 for an hour":        {kubetest.TooMany(pods, 3600), "pods", cluster.Failed, "answers 429: ", "", 0, false},
		"hang":                   {kubetest.Hang(pods), "pods", cluster.TimedOut, "no answer in time", "kubectl get pods", 0, false},
		"hang on page 2":         {kubetest.Hang(kubetest.Page("pods", 2)), "pods", cluster.Partial, "the first 500 were read, then: no answer in time", "", 500, false},
		"500 on page 2":          {kubetest.ServerError(kubetest.Page("pods", 2)), "pods", cluster.Partial, "the first 500 were read, then: ", "", 500, false},
		"cut once":               {times(1, kubetest.Cut(pods)), "pods", cluster.Complete, "", "", 600, false},
		"cut always":             {kubetest.Cut(pods), "pods", cluster.Failed, "the answer was cut short", "", 0, false},
		"cut on page 2":          {kubetest.Cut(kubetest.Page("pods", 2)), "pods", cluster.Partial, "cut short", "", 500, false},
		"expired":                {times(1, kubetest.Expired(kubetest.Page("pods", 2), false)), "pods", cluster.Complete, "", "", 600, true},
		"expired, resumed":       {times(1, kubetest.Expired(kubetest.Page("pods", 2), true)), "pods", cluster.Complete, "", "", 600, false},
		"expired always":         {kubetest.Expired(kubetest.Page("pods", 2), true), "pods", cluster.Complete, "", "", 600, true},
		"first page expired":     {kubetest.Expired(kubetest.Page("pods", 1), false), "pods", cluster.Failed, "answers 410", "", 0, false},
		"login page":             {kubetest.Answer(pods, 200, "text/html", "<html>sign in</html>"), "pods", cluster.Failed, "no Kubernetes object", "", 0, false},
		"redirect":               {kubetest.Answer(pods, 302, "text/html", ""), "pods", cluster.Failed, "it redirects", "", 0, false},
		"garbage":                {kubetest.Answer(pods, 200, "application/vnd.kubernetes.protobuf", "k8s\x00\xff\xff\xff"), "pods", cluster.Failed, "damaged", "", 0, false},
		"another kind":           {kubetest.Answer(pods, 200, "application/json", `{"kind":"ServiceList","apiVersion":"v1"}`), "pods", cluster.Failed, `"ServiceList", not a PodList`, "", 0, false},
		"json only":              {kubetest.JSONOnly(kubetest.All), "pods", cluster.Complete, "", "", 600, false},
		"dead aggregated API":    {kubetest.Unavailable(func(r kubetest.Request) bool { return strings.Contains(r.Group, "metrics.k8s.io") || r.Path == "/apis" }), "pods", cluster.Complete, "", "", 600, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kubetest.NewServer(t)
			for i := range 600 {
				server.Add(podNamed("shop", fmt.Sprintf("p-%d", i)))
			}
			server.Fail(tc.fault)
			opts := optionsFor(server)
			opts.Flags.RequestTimeout = "2s"
			start := time.Now()
			s, stats, err := Collect(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("it took %s", took)
			}
			k := kindOf(t, tc.kind)
			a := s.Access(k.GroupKind())[0]
			if a.State != tc.state || !strings.Contains(a.Why, tc.why) || !strings.HasPrefix(a.Hint, tc.hint) || (tc.why == "") != (a.Why == "") {
				t.Errorf("got  %s, %q, %q\nwant %s, %q, %q", a.State, a.Why, a.Hint, tc.state, tc.why, tc.hint)
			}
			if got := len(s.Objects(k.GroupKind())); got != tc.objects {
				t.Errorf("%d objects, want %d", got, tc.objects)
			}
			for _, row := range stats.Kinds {
				if row.Kind == k.Kind && (row.Objects != tc.objects || row.State != tc.state) {
					t.Errorf("%+v", row)
				}
			}
			if whole := slices.ContainsFunc(server.Requests(), func(r kubetest.Request) bool { return r.Resource == "pods" && r.Query.Get("limit") == "" }); whole != tc.whole {
				t.Errorf("the list was asked for in one piece: %v", whole)
			}
			for _, other := range cluster.Kinds() { // one fault spoils one kind
				if other.Kind != k.Kind && !s.Sees(other.GroupKind(), "shop") {
					t.Errorf("%s: %+v", other.Kind, s.Access(other.GroupKind()))
				}
			}
		})
	}
}

func times(n int, f *kubetest.Fault) *kubetest.Fault {
	f.Times = n
	return f
}

func TestOldServer(t *testing.T) {
	c := &client{version: "v1.20.15", minor: minorOf("v1.20.15")}
	if state, why := c.notFound(kindOf(t, "hpa")); state != cluster.Failed || !strings.Contains(why, "older version") {
		t.Errorf("%s %s", state, why)
	}
	for version, want := range map[string]int{"v1.37.2": 37, "v1.21.5-eks-bc4871b": 21, "v1.9": 9, "": 0, "v2.1.0": 0, "what": 0} {
		if got := minorOf(version); got != want {
			t.Errorf("minorOf(%q) = %d", version, got)
		}
	}
}

func TestUnreadable(t *testing.T) {
	for name, tc := range map[string]struct {
		faults []*kubetest.Fault
		reason Reason
		text   string
		hint   string
		most   int // requests
	}{
		"unauthorized":       {[]*kubetest.Fault{kubetest.Unauthorized(kubetest.All)}, Unauthorized, "does not accept the credentials", "kubectl auth whoami", 2},
		"login page":         {[]*kubetest.Fault{kubetest.Answer(kubetest.All, 200, "text/html", "<html>")}, Unreachable, "not as Kubernetes does", "kubectl config view", 1},
		"another web server": {[]*kubetest.Fault{kubetest.NotServed(kubetest.All)}, Unreachable, "not as Kubernetes does", "kubectl config view", len(cluster.Kinds()) + 3},
		"hangs":              {[]*kubetest.Fault{kubetest.Hang(kubetest.All)}, Unreachable, "does not answer in time", "kubectl cluster-info", 1},
		"lists hang":         {[]*kubetest.Fault{kubetest.Hang(func(r kubetest.Request) bool { return r.Resource != "" })}, Unreachable, "answers no list in time", "kubectl get --raw '/readyz?verbose'", 3 + 2*parallel},
		"no etcd": {[]*kubetest.Fault{
			kubetest.Hang(func(r kubetest.Request) bool { return r.Resource != "" }),
			kubetest.Answer(func(r kubetest.Request) bool { return r.Path == "/readyz" }, 500, "text/plain; charset=utf-8", "[+]ping ok\n[-]etcd failed: reason withheld\n"),
		}, Unreachable, "its check of etcd fails", "kubectl get --raw '/readyz?verbose'", 3 + 2*parallel},
		"may not impersonate": {[]*kubetest.Fault{kubetest.Answer(kubetest.All, 403, "application/json", `{"kind":"Status","code":403,"reason":"Forbidden","message":"users \"x\" is forbidden: User \"dev\" cannot impersonate resource \"users\""}`)}, Unauthorized, "cannot impersonate", "--as", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kubetest.NewServer(t, shop()...)
			server.Fail(tc.faults...)
			opts := optionsFor(server)
			opts.Flags.RequestTimeout = "1s"
			s, _, err := Collect(t.Context(), opts)
			checkError(t, err, tc.reason, tc.text, tc.hint)
			if s != nil {
				t.Error("there is a snapshot")
			}
			if n := len(server.Requests()); n > tc.most {
				t.Errorf("%d requests, want %d at most", n, tc.most)
			}
		})
	}
}

func checkError(t *testing.T, err error, reason Reason, text, hint string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a *Error", err)
	}
	if e.Reason != reason || !strings.Contains(e.Message, text) || !strings.Contains(e.Hint, hint) {
		t.Errorf("got  %s: %q\n     hint %q\nwant %s: %q\n     hint %q", e.Reason, e.Message, e.Hint, reason, text, hint)
	}
}

func TestUnauthorizedAsksLittle(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	opts := Options{Flags: Flags{Kubeconfig: server.KubeconfigFor("shop", `token: "old"`)}}
	_, _, err := Collect(t.Context(), opts)
	checkError(t, err, Unauthorized, "401", "kubectl auth whoami --kubeconfig")
	if n := len(server.Requests()); n > 2 { // more could lock an account
		t.Errorf("%d requests with a wrong token", n)
	}
}

// A server that hides its version is read all the same.
func TestVersionForbidden(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	server.Fail(kubetest.Forbidden(func(r kubetest.Request) bool { return r.Path == "/version" }))
	s, _, err := Collect(t.Context(), optionsFor(server))
	if err != nil || len(s.Objects(cluster.Pods)) != 4 || s.Info().Version != "" {
		t.Errorf("%v %+v", err, s.Info())
	}
}

func TestInterrupted(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	server.Fail(kubetest.Hang(kubetest.List("secrets")))
	ctx, cancel := context.WithCancel(t.Context())
	opts := optionsFor(server)
	left := builtIn() - 1
	opts.Progress = func(p Progress) {
		if p.Done {
			if left--; left == 0 {
				cancel()
			}
		}
	}
	s, _, err := Collect(ctx, opts)
	if !errors.Is(err, context.Canceled) || s == nil {
		t.Fatalf("%v, snapshot %v", err, s != nil)
	}
	if len(s.Objects(cluster.Pods)) != 4 || !s.Sees(cluster.Pods, "") {
		t.Errorf("pods %+v", s.Access(cluster.Pods))
	}
	if a := s.Access(cluster.Secrets)[0]; a.State != cluster.Failed || a.Why != "reading was interrupted" {
		t.Errorf("secrets %+v", a)
	}
}

func TestOutOfTime(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	server.Fail(kubetest.Hang(kubetest.List("events")))
	opts := optionsFor(server)
	opts.Flags.RequestTimeout, opts.Timeout = "0", time.Second
	s, _, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Access(cluster.Events)[0]; a.State != cluster.TimedOut || !s.Sees(cluster.Pods, "") {
		t.Errorf("events %+v", a)
	}
}
