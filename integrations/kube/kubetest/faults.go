package kubetest

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Fault answers the requests that it matches in place of the server.
type Fault struct {
	Match func(Request) bool
	Times int // how often; 0 means always
	// Header is added to the answer.
	Header http.Header

	serve func(s *Server, w http.ResponseWriter, r *http.Request, req Request)
	used  int
}

// Fail puts faults in front of the server. Of several that match, the first one acts.
func (s *Server) Fail(faults ...*Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// All matches every request.
func All(Request) bool { return true }

// List matches the lists of a resource, in all namespaces and in one.
func List(resource string) func(Request) bool {
	return func(r Request) bool { return r.Resource == resource && r.Name == "" }
}

// ListAll matches the list of a resource in all namespaces only.
func ListAll(resource string) func(Request) bool {
	return func(r Request) bool { return r.Resource == resource && r.Name == "" && r.Namespace == "" }
}

// Page matches one page of the lists of a resource.
func Page(resource string, page int) func(Request) bool {
	return func(r Request) bool { return List(resource)(r) && r.Page == page }
}

// Logs matches the logs of the pods whose names start with prefix.
func Logs(prefix string) func(Request) bool {
	return func(r Request) bool { return r.Subresource == "log" && strings.HasPrefix(r.Name, prefix) }
}

// Forbidden answers 403 as RBAC does.
func Forbidden(match func(Request) bool) *Fault {
	return &Fault{Match: match, serve: func(_ *Server, w http.ResponseWriter, _ *http.Request, req Request) {
		verb, where := "list", "at the cluster scope"
		if req.Name != "" {
			verb = "get"
		}
		if req.Namespace != "" {
			where = fmt.Sprintf("in the namespace %q", req.Namespace)
		}
		resource := req.Resource
		if req.Subresource != "" {
			resource += "/" + req.Subresource
		}
		writeStatus(w, req, http.StatusForbidden, metav1.StatusReasonForbidden,
			fmt.Sprintf("%s is forbidden: User \"dev\" cannot %s resource %q in API group %q %s", req.Resource, verb, resource, req.Group, where), nil)
	}}
}

// Unauthorized answers 401.
func Unauthorized(match func(Request) bool) *Fault {
	return status(match, http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "Unauthorized")
}

// NotServed answers 404 as for a group or version that is not there.
func NotServed(match func(Request) bool) *Fault {
	return &Fault{Match: match, serve: func(_ *Server, w http.ResponseWriter, _ *http.Request, _ Request) { notFoundPage(w) }}
}

// ServerError answers 500 with a Status.
func ServerError(match func(Request) bool) *Fault {
	return status(match, http.StatusInternalServerError, metav1.StatusReasonInternalError, "Internal error occurred: etcdserver: leader changed")
}

// Unavailable answers 503 as the aggregator does for a dead API service.
func Unavailable(match func(Request) bool) *Fault {
	return &Fault{Match: match, serve: func(_ *Server, w http.ResponseWriter, _ *http.Request, _ Request) {
		http.Error(w, "service unavailable", http.StatusServiceUnavailable)
	}}
}

// TooMany answers 429 with Retry-After as priority and fairness does.
func TooMany(match func(Request) bool, retryAfter int) *Fault {
	return &Fault{Match: match, serve: func(_ *Server, w http.ResponseWriter, _ *http.Request, req Request) {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		writeStatus(w, req, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "too many requests, please try again later", nil)
	}}
}

// Expired answers 410 as for a continue token whose version etcd has compacted. With
// resume, the answer has a token to go on with, inconsistently.
func Expired(match func(Request) bool, resume bool) *Fault {
	return &Fault{Match: match, serve: func(_ *Server, w http.ResponseWriter, _ *http.Request, req Request) {
		var next string
		if t := parseToken(req.Query.Get("continue")); resume {
			next = token{Revision: -1, Start: t.Start, Page: t.Page}.String()
		}
		writeStatus(w, req, http.StatusGone, metav1.StatusReasonExpired, "The provided continue parameter is too old to display a consistent list result.",
			&metav1.ListMeta{Continue: next})
	}}
}

// Hang never answers.
func Hang(match func(Request) bool) *Fault {
	return &Fault{Match: match, serve: func(s *Server, _ http.ResponseWriter, r *http.Request, _ Request) {
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		panic(http.ErrAbortHandler)
	}}
}

// Cut sends the beginning of the real answer and then drops the connection.
func Cut(match func(Request) bool) *Fault {
	return &Fault{Match: match, serve: func(s *Server, w http.ResponseWriter, r *http.Request, req Request) {
		s.answer(&cutWriter{ResponseWriter: w, left: 100}, r, req)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}}
}

type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.left -= n
	if _, err := c.ResponseWriter.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Answer sends a fixed answer, such as the login page of a proxy.
func Answer(match func(Request) bool, code int, contentType, body string) *Fault {
	return &Fault{Match: match, serve: func(_ *Server, w http.ResponseWriter, _ *http.Request, _ Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}}
}

// JSONOnly answers in JSON whatever the client accepts.
func JSONOnly(match func(Request) bool) *Fault {
	return &Fault{Match: match, serve: func(s *Server, w http.ResponseWriter, r *http.Request, req Request) {
		r = r.Clone(r.Context())
		r.Header.Set("Accept", jsonType)
		s.answer(w, r, req)
	}}
}

// Whole answers a metadata-only list with the whole objects, as no API server should.
func Whole(match func(Request) bool) *Fault {
	return &Fault{Match: match, serve: func(s *Server, w http.ResponseWriter, r *http.Request, req Request) {
		req.Accept = protobufType
		s.answer(w, r, req)
	}}
}

func status(match func(Request) bool, code int, reason metav1.StatusReason, message string) *Fault {
	return &Fault{Match: match, serve: func(_ *Server, w http.ResponseWriter, _ *http.Request, req Request) {
		writeStatus(w, req, code, reason, message, nil)
	}}
}

func writeStatus(w http.ResponseWriter, req Request, code int, reason metav1.StatusReason, message string, list *metav1.ListMeta) {
	s := &metav1.Status{Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message}
	s.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("Status"))
	s.APIVersion = "v1"
	if list != nil {
		s.ListMeta = *list
	}
	r := &http.Request{Header: http.Header{"Accept": {req.Accept}}}
	write(w, r, code, s)
}

func parse(r *http.Request) Request {
	req := Request{Path: r.URL.Path, Query: r.URL.Query(), Accept: r.Header.Get("Accept"), Header: r.Header.Clone(), Page: 1}
	if c := req.Query.Get("continue"); c != "" {
		req.Page = parseToken(c).Page
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api" && parts[1] == "v1":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		req.Group, req.Version, parts = parts[1], parts[2], parts[3:]
	default:
		return req
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		req.Namespace, parts = parts[1], parts[2:]
	}
	req.Resource = parts[0]
	if len(parts) > 1 {
		req.Name, _ = url.PathUnescape(parts[1])
	}
	if len(parts) > 2 {
		req.Subresource = parts[2]
	}
	return req
}

func pemCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
