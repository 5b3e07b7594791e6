package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubefathom/fathom/analyzers/report"
	"github.com/kubefathom/fathom/integrations/kube/kubetest"
)

// run calls Main and returns what it printed.
func run(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(append([]string{"fathom"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// brokenShop has a Service with users, and one pod whose image does not exist.
func brokenShop() []runtime.Object {
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": "web"}, CreationTimestamp: metav1.NewTime(time.Now().Add(-time.Hour))}
	}
	pod := &corev1.Pod{ObjectMeta: meta("web")}
	pod.Spec = corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "web", Image: "example.com/web:1", Env: []corev1.EnvVar{{Name: "PASSWORD", Value: "correct-horse-battery"}}}}}
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{Name: "web", Image: "example.com/web:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
		Reason: "ImagePullBackOff", Message: `Back-off pulling image "example.com/web:1": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "example.com/web:1": failed to resolve reference "example.com/web:1": example.com/web:1: not found`,
	}}}}}
	return []runtime.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, pod,
		&corev1.Service{ObjectMeta: meta("web"), Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}}}},
		&corev1.Secret{ObjectMeta: meta("login"), Data: map[string][]byte{"password": []byte("correct-horse-battery")}},
	}
}

// TestCaptureGivesTheSameAnswer: a scan of a cluster and of its capture are the same to
// the byte, in every format, and no secret is in the file.
func TestCaptureGivesTheSameAnswer(t *testing.T) {
	server := kubetest.NewServer(t, brokenShop()...)
	t.Setenv("KUBECONFIG", server.Kubeconfig("shop"))
	file := filepath.Join(t.TempDir(), "shop.capture")
	for _, format := range report.FormatNames() {
		same := false
		for range 25 { // the two readings must fall into the same second of the server's clock
			_, live, errOut := run(t, "scan", "-n", "shop", "-o", format, "--fail-on", "never")
			if live == "" {
				t.Fatalf("%s: nothing printed: %s", format, errOut)
			}
			if code, _, errOut := run(t, "capture", "-n", "shop", "-o", file); code != exitClean {
				t.Fatalf("capture: %s", errOut)
			}
			if _, again, _ := run(t, "scan", "--from", file, "-o", format, "--fail-on", "never"); again == live {
				same = true
				break
			}
		}
		if !same {
			t.Errorf("%s: the capture gives another answer than the cluster", format)
		}
	}
	if code, out, _ := run(t, "scan", "--from", file); code != exitFindings || !strings.Contains(out, "image-not-found") {
		t.Errorf("code %d\n%s", code, out)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is for its owner alone: %v, %v", info.Mode(), err)
	}
	_, all, _ := run(t, "scan", "--from", file, "-o", "json", "--fail-on", "never")
	if strings.Contains(all, "correct-horse") {
		t.Error("a secret is in the report")
	}
}

// TestExitCodesAreTheSameForEveryFormat is the matrix of severity threshold and format.
func TestExitCodesAreTheSameForEveryFormat(t *testing.T) {
	server := kubetest.NewServer(t, brokenShop()...)
	t.Setenv("KUBECONFIG", server.Kubeconfig("shop"))
	for _, format := range report.FormatNames() {
		for args, want := range map[string]int{
			"scan -n shop":                      exitFindings,
			"scan -n shop --fail-on never":      exitClean,
			"scan -n default":                   exitClean,
			"scan -n default --strict":          exitClean,
			"scan -n shpo":                      exitUsage,
			"scan --context none":               exitUsage,
			"scan --server https://127.0.0.1:1": exitUnreachable,
		} {
			code, out, errOut := run(t, append(strings.Fields(args), "-o", format)...)
			if code != want {
				t.Errorf("%s -o %s: code %d, want %d: %s", args, format, code, want, errOut)
			}
			if code > exitFindings && (out != "" || !strings.Contains(errOut, "error: ") || !strings.Contains(errOut, "hint: ")) {
				t.Errorf("%s -o %s: out %q, err %q", args, format, out, errOut)
			}
			if format == "json" && code <= exitFindings && !json.Valid([]byte(out)) {
				t.Errorf("%s: not JSON: %s", args, out)
			}
		}
	}
}

// TestInterruptedScanReports: what was read before Ctrl-C is reported, and the code says
// that it is partial.
func TestInterruptedScanReports(t *testing.T) {
	server := kubetest.NewServer(t, brokenShop()...)
	server.Fail(kubetest.Hang(kubetest.List("events")))
	t.Setenv("KUBECONFIG", server.Kubeconfig("shop"))
	go func() {
		for range 100 { // when the pods have been read
			time.Sleep(50 * time.Millisecond)
			for _, r := range server.Requests() {
				if r.Resource == "events" {
					time.Sleep(300 * time.Millisecond)
					_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
					return
				}
			}
		}
	}()
	code, out, errOut := run(t, "scan", "-n", "shop")
	if code != exitInterrupted || !strings.Contains(out, "image-not-found") || !strings.Contains(out, "Not checked") {
		t.Errorf("code %d\n%s\n%s", code, out, errOut)
	}
}

// TestPluginName: the same program is kubectl's plugin.
func TestPluginName(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := Main([]string{"/usr/local/bin/kubectl-fathom", "scan", "--help"}, strings.NewReader(""), &out, &errOut); code != 0 || !strings.Contains(out.String(), "kubectl fathom scan [flags]") {
		t.Errorf("code %s\n%s", strconv.Itoa(code), &out)
	}
}

// TestErrorsOfHostileFilesAreClean: an error that quotes a file must not carry a control
// sequence from it to the terminal.
func TestErrorsOfHostileFilesAreClean(t *testing.T) {
	for name, text := range map[string]string{
		"unknown kind":  "apiVersion: \"x/\\e[2Jv1\"\nkind: \"Thing\\e]0;owned\\a\\u202e\"\nmetadata: {name: a}\n",
		"hostile name":  "apiVersion: v1\nkind: Pod\nmetadata: {name: \"a\\e[31mb\"}\n",
		"hostile field": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: \"\\e[2J\"\n",
	} {
		file := filepath.Join(t.TempDir(), "all.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errOut := run(t, "scan", "--from", file)
		if code != exitUsage || !strings.Contains(errOut, "error: ") || strings.ContainsAny(out+errOut, "\x1b\a\u202e") {
			t.Errorf("%s: code %d, out %q, err %q", name, code, out, errOut)
		}
	}
}
