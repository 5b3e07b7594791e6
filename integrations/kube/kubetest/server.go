// Package kubetest is an API server for tests: it speaks the list protocol of Kubernetes
// over TLS, with protobuf, pages, continue tokens, metadata-only lists and container logs,
// and fails on demand. It keeps objects and nothing else: no admission, no controllers.
package kubetest

import (
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Token is the bearer token that the server accepts.
const Token = "kubetest-token"

// Version is the gitVersion that the server tells.
const Version = "v1.37.2"

const (
	protobufType = "application/vnd.kubernetes.protobuf"
	jsonType     = "application/json"
	// gzipFrom is the size from which the API server packs an answer
	// (k8s.io/apiserver pkg/endpoints/handlers/responsewriters/writers.go).
	gzipFrom = 128 << 10
)

var (
	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
)

func init() {
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	_ = metav1.AddMetaToScheme(scheme)
	for _, add := range []func(*runtime.Scheme) error{
		admissionv1.AddToScheme, appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		discoveryv1.AddToScheme, networkingv1.AddToScheme, nodev1.AddToScheme, policyv1.AddToScheme, schedulingv1.AddToScheme, storagev1.AddToScheme,
		rbacv1.AddToScheme, coordinationv1.AddToScheme, certificatesv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
}

// A Server is one API server with its objects.
type Server struct {
	URL string

	t      testing.TB
	http   *httptest.Server
	mu     sync.Mutex
	lists  map[schema.GroupVersionResource][]runtime.Object
	logs   map[logKey]string
	faults []*Fault
	seen   []Request
	closed chan struct{}
}

type logKey struct {
	namespace, pod, container string
	previous                  bool
}

// A Request is what a client asked for.
type Request struct {
	Path        string
	Query       url.Values
	Accept      string
	Header      http.Header
	Group       string
	Version     string
	Resource    string // "pods"; empty for /version and whatever is no resource
	Namespace   string
	Name        string
	Subresource string // "log"
	Page        int    // of a list, from 1
}

// NewServer starts a server that ends with the test. Objects are Kubernetes objects of the
// kinds that a Snapshot holds; a Secret is a *corev1.Secret.
func NewServer(t testing.TB, objects ...runtime.Object) *Server {
	t.Helper()
	s := &Server{t: t, lists: map[schema.GroupVersionResource][]runtime.Object{}, logs: map[logKey]string{}, closed: make(chan struct{})}
	s.Add(objects...)
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.EnableHTTP2 = true
	s.http.Config.ErrorLog = quietLog()
	s.http.StartTLS()
	s.URL = s.http.URL
	t.Cleanup(s.Close)
	return s
}

// Close ends the server and all requests that hang in it.
func (s *Server) Close() {
	s.mu.Lock()
	select {
	case <-s.closed:
		s.mu.Unlock()
		return
	default:
		close(s.closed)
	}
	s.mu.Unlock()
	s.http.CloseClientConnections()
	s.http.Close()
}

// Add keeps more objects.
func (s *Server) Add(objects ...runtime.Object) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range objects {
		gvk := o.GetObjectKind().GroupVersionKind()
		if _, custom := o.(*unstructured.Unstructured); !custom {
			gvks, _, err := scheme.ObjectKinds(o)
			if err != nil {
				s.t.Fatalf("kubetest: %v", err)
			}
			gvk = gvks[0]
		}
		k, ok := cluster.KindFor(gvk.GroupKind())
		if !ok {
			s.t.Fatalf("kubetest: %s is not in the table of kinds", gvk)
		}
		if k.Custom() {
			k.Version = gvk.Version
		} else {
			o.GetObjectKind().SetGroupVersionKind(k.GroupVersionKind)
		}
		list := append(slices.Clone(s.lists[k.GVR()]), o)
		slices.SortStableFunc(list, func(a, b runtime.Object) int { return cmp.Compare(storageKey(a), storageKey(b)) })
		s.lists[k.GVR()] = list
	}
}

// SetLog keeps the log of a container.
func (s *Server) SetLog(namespace, pod, container string, previous bool, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs[logKey{namespace, pod, container, previous}] = text
}

// Requests returns what was asked for so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// Kubeconfig writes a kubeconfig for the server and returns its path. The context is
// "test", its namespace the one given.
func (s *Server) Kubeconfig(namespace string) string {
	return s.KubeconfigFor(namespace, fmt.Sprintf("token: %q", Token))
}

// KubeconfigFor is Kubeconfig for a user written as YAML, such as `token: "x"`.
func (s *Server) KubeconfigFor(namespace, user string) string {
	s.t.Helper()
	ca := base64.StdEncoding.EncodeToString(pemCertificate(s.http.Certificate()))
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: test, user: {%s}}]
contexts: [{name: test, context: {cluster: test, user: test, namespace: %q}}]
`, s.URL, ca, user, namespace)
	path := filepath.Join(s.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	req := parse(r)
	s.mu.Lock()
	s.seen = append(s.seen, req)
	var fault *Fault
	for _, f := range s.faults {
		if f.Match(req) && (f.Times == 0 || f.used < f.Times) {
			f.used++
			fault = f
			break
		}
	}
	s.mu.Unlock()
	if fault != nil {
		for k, v := range fault.Header {
			w.Header()[k] = v
		}
		fault.serve(s, w, r, req)
		return
	}
	s.answer(w, r, req)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, req Request) {
	switch {
	case r.Header.Get("Authorization") != "Bearer "+Token:
		writeStatus(w, req, http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "Unauthorized", nil)
	case r.Method != http.MethodGet:
		s.t.Errorf("kubetest: %s %s: only reading is expected", r.Method, r.URL)
		writeStatus(w, req, http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, "only GET", nil)
	case req.Path == "/version":
		w.Header().Set("Content-Type", jsonType)
		fmt.Fprintf(w, `{"major":"1","minor":"37","gitVersion":%q}`, Version)
	case req.Path == "/readyz":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "[+]ping ok\n[+]etcd ok\nreadyz check passed\n")
	case req.Path == "/apis":
		s.groups(w)
	case req.Subresource == "log":
		s.log(w, req)
	case req.Resource == "":
		notFoundPage(w)
	case req.Name != "":
		s.get(w, r, req)
	default:
		s.list(w, r, req)
	}
}

// groups lists the API groups: those of Kubernetes, and those of other projects of which
// objects were added.
func (s *Server) groups(w http.ResponseWriter) {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIGroupList"}}
	add := func(group, version string) {
		i := slices.IndexFunc(list.Groups, func(g metav1.APIGroup) bool { return g.Name == group })
		if i < 0 {
			i = len(list.Groups)
			list.Groups = append(list.Groups, metav1.APIGroup{Name: group})
		}
		v := metav1.GroupVersionForDiscovery{GroupVersion: group + "/" + version, Version: version}
		if !slices.Contains(list.Groups[i].Versions, v) {
			list.Groups[i].Versions = append(list.Groups[i].Versions, v)
		}
	}
	for _, k := range cluster.Kinds() {
		if k.Group != "" && !k.Custom() {
			add(k.Group, k.Version)
		}
	}
	s.mu.Lock()
	for gvr := range s.lists {
		if gvr.Group != "" {
			add(gvr.Group, gvr.Version)
		}
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(w).Encode(list)
}

// notFoundPage is the API server's answer to a path that it does not know.
func notFoundPage(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "404 page not found\n")
}

func (s *Server) log(w http.ResponseWriter, req Request) {
	q := req.Query
	key := logKey{req.Namespace, req.Name, q.Get("container"), q.Get("previous") == "true"}
	s.mu.Lock()
	text, ok := s.logs[key]
	s.mu.Unlock()
	if !ok {
		writeStatus(w, req, http.StatusBadRequest, metav1.StatusReasonBadRequest,
			fmt.Sprintf("container %q in pod %q is waiting to start: no logs yet", key.container, key.pod), nil)
		return
	}
	if n, err := strconv.Atoi(q.Get("tailLines")); err == nil {
		lines := strings.SplitAfter(text, "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		text = strings.Join(lines[max(0, len(lines)-n):], "")
	}
	if n, err := strconv.Atoi(q.Get("limitBytes")); err == nil && n < len(text) {
		text = text[:n] // as the kubelet does: of the last lines, the beginning
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, text)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, req Request) {
	for _, o := range s.objects(req) {
		if m, _ := meta.Accessor(o); m.GetName() == req.Name {
			write(w, r, http.StatusOK, o)
			return
		}
	}
	writeStatus(w, req, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("%s %q not found", req.Resource, req.Name), nil)
}

func (s *Server) objects(req Request) []runtime.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []runtime.Object
	for gvr, list := range s.lists {
		if gvr.Group != req.Group || gvr.Resource != req.Resource {
			continue
		}
		for _, o := range list {
			if m, _ := meta.Accessor(o); req.Namespace == "" || m.GetNamespace() == req.Namespace {
				out = append(out, o)
			}
		}
	}
	return out
}

// A token is where a list goes on; Revision -1 marks an inconsistent one.
type token struct {
	Revision int    `json:"rv"`
	Start    string `json:"start"`
	Page     int    `json:"page"`
}

func (t token) String() string {
	data, _ := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(data)
}

func parseToken(s string) (t token) {
	if data, err := base64.RawURLEncoding.DecodeString(s); err == nil {
		_ = json.Unmarshal(data, &t)
	}
	return t
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, req Request) {
	k, ok := kindOf(req)
	s.mu.Lock()
	_, installed := s.lists[schema.GroupVersionResource{Group: req.Group, Version: req.Version, Resource: req.Resource}]
	s.mu.Unlock()
	if !ok || k.Custom() && !installed {
		notFoundPage(w)
		return
	}
	objects := s.objects(req)
	if want, ok := strings.CutPrefix(req.Query.Get("fieldSelector"), "type="); ok {
		objects = slices.DeleteFunc(objects, func(o runtime.Object) bool {
			secret, ok := o.(*corev1.Secret)
			return !ok || string(secret.Type) != want
		})
	}
	from := parseToken(req.Query.Get("continue"))
	objects = slices.DeleteFunc(objects, func(o runtime.Object) bool { return storageKey(o) < from.Start })
	listMeta := metav1.ListMeta{ResourceVersion: "1000"}
	if limit, err := strconv.Atoi(req.Query.Get("limit")); err == nil && limit > 0 && limit < len(objects) {
		listMeta.Continue = token{Revision: 1000, Start: storageKey(objects[limit]), Page: max(from.Page, 1) + 1}.String()
		listMeta.RemainingItemCount = new(int64)
		*listMeta.RemainingItemCount = int64(len(objects) - limit)
		objects = objects[:limit]
	}
	if strings.Contains(req.Accept, "as=PartialObjectMetadataList") {
		out := &metav1.PartialObjectMetadataList{ListMeta: listMeta}
		out.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadataList"))
		for _, o := range objects {
			m, _ := meta.Accessor(o)
			out.Items = append(out.Items, *meta.AsPartialObjectMetadata(m))
		}
		write(w, r, http.StatusOK, out)
		return
	}
	if k.Custom() {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(req.Group + "/" + req.Version)
		list.SetKind(k.Kind + "List")
		list.SetContinue(listMeta.Continue)
		for _, o := range objects {
			item := *o.(*unstructured.Unstructured)
			if k.GroupKind() == cluster.APIServices { // as a list of a built-in kind is
				item = *item.DeepCopy()
				delete(item.Object, "kind")
				delete(item.Object, "apiVersion")
			}
			list.Items = append(list.Items, item)
		}
		w.Header().Set("Content-Type", jsonType)
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": list.GetAPIVersion(), "kind": list.GetKind(), "metadata": listMeta, "items": rawItems(list)})
		return
	}
	list, err := scheme.New(k.GroupVersion().WithKind(k.Kind + "List"))
	if err == nil {
		err = meta.SetList(list, objects)
	}
	if err != nil {
		s.t.Errorf("kubetest: %v", err)
		return
	}
	list.GetObjectKind().SetGroupVersionKind(k.GroupVersion().WithKind(k.Kind + "List"))
	m, _ := meta.ListAccessor(list)
	m.SetResourceVersion(listMeta.ResourceVersion)
	m.SetContinue(listMeta.Continue)
	m.SetRemainingItemCount(listMeta.RemainingItemCount)
	write(w, r, http.StatusOK, list)
}

func kindOf(req Request) (cluster.Kind, bool) {
	for _, k := range cluster.Kinds() {
		if k.Group == req.Group && k.Resource == req.Resource {
			return k, true
		}
	}
	return cluster.Kind{}, false
}

func rawItems(list *unstructured.UnstructuredList) []map[string]any {
	out := []map[string]any{}
	for _, item := range list.Items {
		out = append(out, item.Object)
	}
	return out
}

// storageKey orders objects as etcd does.
func storageKey(o runtime.Object) string {
	m, _ := meta.Accessor(o)
	return m.GetNamespace() + "/" + m.GetName()
}

func write(w http.ResponseWriter, r *http.Request, code int, o runtime.Object) {
	media := jsonType
	if strings.Contains(r.Header.Get("Accept"), protobufType) {
		media = protobufType
	}
	info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), media)
	var body strings.Builder
	if err := info.Serializer.Encode(o, &body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", media)
	if body.Len() > gzipFrom && r.Header.Get("Accept-Encoding") == "gzip" {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(code)
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, body.String())
		_ = z.Close()
		return
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body.String())
}
