package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/integrations/kube/kubetest"
)

func TestFlags(t *testing.T) {
	var f Flags
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.AddFlags(fs)
	err := fs.Parse([]string{"-n", "shop,data", "-n", "web", "--context", "prod", "--as", "a", "--as-group", "g1", "--as-group", "g2,x", "--as-uid", "7", "--request-timeout", "45", "-s", "https://x"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.Namespaces, []string{"shop", "data", "web"}) || !slices.Equal(f.AsGroups, []string{"g1", "g2,x"}) || f.Context != "prod" || f.Server != "https://x" {
		t.Errorf("%+v", f)
	}
	if d, err := f.timeout(); d != 45*time.Second || err != nil {
		t.Errorf("%v %v", d, err)
	}
	scope, err := f.scope()
	if err != nil || !slices.Equal(scope, []string{"data", "shop", "web"}) {
		t.Errorf("%q %v", scope, err)
	}
	c := &client{flags: f.kubectl("it's prod")}
	want := `kubectl get pods -n shop --context 'it'\''s prod' --server https://x --as a --as-uid 7 --as-group g1 --as-group g2,x`
	if got := c.kubectl("get", "pods", "-n", "shop"); got != want {
		t.Errorf("%s\n%s", got, want)
	}
	f.RequestTimeout = "soon"
	if _, err := f.timeout(); err == nil {
		t.Error(`--request-timeout "soon" is taken`)
	}
}

func TestConfigErrors(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const tail = "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\ncontexts: [{name: prod, context: {cluster: c, user: u}}, {name: stage, context: {cluster: c, user: u}}]\n"
	head := "apiVersion: v1\nkind: Config\n"
	noCurrent := write("nocurrent", head+tail)
	for name, tc := range map[string]struct {
		env    string
		flags  Flags
		reason Reason
		text   string
		hint   string
	}{
		"nothing":          {filepath.Join(dir, "none"), Flags{}, NoConfig, "no kubeconfig was found", "KUBECONFIG"},
		"empty":            {write("empty", ""), Flags{}, NoConfig, "no kubeconfig was found", "--kubeconfig"},
		"path":             {"", Flags{Kubeconfig: filepath.Join(dir, "none")}, NoConfig, "does not exist", "--kubeconfig"},
		"damaged":          {write("damaged", "clusters: {"), Flags{}, BadConfig, "cannot be used", "kubectl config view"},
		"no current":       {noCurrent, Flags{}, NoContext, "names no current context", "choose one with --context: prod, stage"},
		"unknown context":  {noCurrent, Flags{Context: "prdo"}, NoContext, `no context "prdo"`, "did you mean --context prod?"},
		"no such context":  {noCurrent, Flags{Context: "elsewhere"}, NoContext, `no context "elsewhere"`, "choose one of: prod, stage"},
		"unknown cluster":  {noCurrent, Flags{Context: "prod", Cluster: "x"}, BadConfig, "cannot be used", "kubectl config view"},
		"group, no user":   {noCurrent, Flags{Context: "prod", AsGroups: []string{"g"}}, BadConfig, "need --as", "--as"},
		"timeout":          {noCurrent, Flags{Context: "prod", RequestTimeout: "1x"}, BadConfig, "no duration", "30s"},
		"negative timeout": {noCurrent, Flags{Context: "prod", RequestTimeout: "-3s"}, BadConfig, "no duration", "30s"},
		"server":           {noCurrent, Flags{Context: "prod", Server: "ht tp://x"}, BadConfig, "", "kubectl config view"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", tc.env)
			_, _, err := Collect(t.Context(), Options{Flags: tc.flags})
			checkError(t, err, tc.reason, tc.text, tc.hint)
		})
	}
}

func TestUnreachable(t *testing.T) {
	plainServer := httptest.NewServer(http.NotFoundHandler())
	defer plainServer.Close()
	server := kubetest.NewServer(t)
	other := kubetest.NewServer(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	port := strings.TrimPrefix(other.URL, "https://127.0.0.1:")
	for name, tc := range map[string]struct {
		server string
		text   string
	}{
		"refused":    {"https://" + address, "cannot be reached: connection refused"},
		"no name":    {"https://no-such-host.invalid:6443", "the name no-such-host.invalid does not resolve"},
		"plain HTTP": {"https://" + strings.TrimPrefix(plainServer.URL, "http://"), "does not speak TLS"},
		"other name": {"https://localhost:" + port, "has a certificate for another name"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(server)
			opts.Flags.Server = tc.server
			s, _, err := Collect(t.Context(), opts)
			checkError(t, err, Unreachable, tc.text, "kubectl ")
			if s != nil || strings.Contains(err.Error(), "Get ") {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("unknown authority", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "config")
		text := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: x, clusters: [{name: x, cluster: {server: %q}}], contexts: [{name: x, context: {cluster: x, user: x}}], users: [{name: x, user: {}}]}", server.URL)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Collect(t.Context(), Options{Flags: Flags{Kubeconfig: path}})
		checkError(t, err, Unreachable, "unknown authority", "certificate-authority")
	})
}

// The credentials go to nobody that a redirect names.
func TestNoRedirect(t *testing.T) {
	asked := false
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer thief.Close()
	server := kubetest.NewServer(t, shop()...)
	redirect := kubetest.Answer(kubetest.All, http.StatusFound, "text/html", "")
	redirect.Header = http.Header{"Location": {thief.URL}}
	server.Fail(redirect)
	_, _, err := Collect(t.Context(), optionsFor(server))
	checkError(t, err, Unreachable, "not as Kubernetes does", "proxy")
	if asked {
		t.Error("the redirect was followed")
	}
}

func TestCredentialPlugin(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	collect := func(t *testing.T, ctx context.Context, script string) (*cluster.Snapshot, error, string) { //nolint:staticcheck // what was said comes last
		path := filepath.Join(t.TempDir(), "plugin")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
		user := fmt.Sprintf("exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, interactiveMode: IfAvailable}", path)
		var said lockedBuffer
		s, _, err := Collect(ctx, Options{Flags: Flags{Kubeconfig: server.KubeconfigFor("shop", user)}, Stderr: &said})
		return s, err, said.String()
	}
	const credential = `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"` + kubetest.Token + `"}}'` + "\n"

	t.Run("works", func(t *testing.T) {
		stderr := os.Stderr
		s, err, said := collect(t, t.Context(), "printf 'open \\033[31mhttps://login\\r\\n' >&2\nsleep 0.1\n"+credential)
		if err != nil || len(s.Objects(cluster.Pods)) != 4 {
			t.Fatal(err)
		}
		if said != "open [31mhttps://login\n" {
			t.Errorf("it said %q", said)
		}
		if os.Stderr != stderr {
			t.Error("os.Stderr is another one afterwards")
		}
	})
	t.Run("fails", func(t *testing.T) {
		_, err, _ := collect(t, t.Context(), "echo 'The SSO session has expired' >&2; exit 255\n")
		checkError(t, err, Unauthorized, "exit code 255: The SSO session has expired", "log in with that tool first")
	})
	t.Run("gives nonsense", func(t *testing.T) {
		_, err, _ := collect(t, t.Context(), "echo hello\n")
		checkError(t, err, Unauthorized, "gave no credentials: decoding stdout", "log in")
	})
	t.Run("hangs", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err, _ := collect(t, ctx, "exec sleep 5\n")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 4*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
	t.Run("is not there", func(t *testing.T) {
		user := "exec: {apiVersion: client.authentication.k8s.io/v1, command: /no/such/plugin, interactiveMode: Never}"
		_, _, err := Collect(t.Context(), Options{Flags: Flags{Kubeconfig: server.KubeconfigFor("shop", user)}})
		checkError(t, err, Unauthorized, "the credential plugin /no/such/plugin gave no credentials", "log in")
	})
}

type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestImpersonation(t *testing.T) {
	server := kubetest.NewServer(t, shop()...)
	opts := optionsFor(server)
	opts.Flags.As, opts.Flags.AsGroups = "jane", []string{"dev"}
	if _, _, err := Collect(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	for _, r := range server.Requests() {
		if r.Header.Get("Impersonate-User") != "jane" || r.Header.Get("Impersonate-Group") != "dev" || r.Header.Get("User-Agent") != "fathom" {
			t.Fatalf("%v", r.Header)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"shop", "data", "kube-system", "payments-prod"}
	for name, want := range map[string]string{"shpo": "shop", "shops": "shop", "date": "data", "kubesystem": "kube-system", "payments": "payments-prod", "zzz": "", "ab": "", "": ""} {
		if got := nearest(name, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

// Each error that stands in the way leads to the page about it.
func TestTopics(t *testing.T) {
	for reason, want := range map[*Error]string{
		{Reason: Unreachable}: "apiserver-unreachable",
		{Reason: Unreachable, Err: &url.Error{Err: x509.UnknownAuthorityError{}}}:                                   "x509-unknown-authority-api",
		{Reason: Unreachable, Err: &url.Error{Err: x509.CertificateInvalidError{Reason: x509.Expired}}}:             "control-plane-cert-expired",
		{Reason: Unreachable, Err: &url.Error{Err: x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}}}: "apiserver-unreachable",
		{Reason: Unreachable, Err: &url.Error{Err: x509.HostnameError{Certificate: &x509.Certificate{}}}}:           "x509-unknown-authority-api",
		{Reason: Unreachable, Err: fmt.Errorf("%w: x", errNoEtcd)}:                                                  "etcd-unhealthy",
		{Reason: Unreachable, Err: apierrors.NewTooManyRequests("later", 1)}:                                        "apiserver-overloaded-apf",
		{Reason: Unauthorized}:      "apiserver-unauthorized",
		{Reason: NoConfig}:          "kubeconfig-missing-context",
		{Reason: NoContext}:         "kubeconfig-missing-context",
		{Reason: BadConfig}:         "",
		{Reason: NamespaceNotFound}: "",
	} {
		if got := reason.Topic(); got != want {
			t.Errorf("%s: %q, want %q", reason.Reason, got, want)
		}
	}
}
