package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

const (
	protobuf = "application/vnd.kubernetes.protobuf"
	// maxAnswer bounds one answer: a page of 500 objects of etcd's largest size.
	maxAnswer = 768 << 20

	maxTries      = 3                // of a request that failed on the server's side
	maxThrottled  = 4                // tries of a request that the server wants later
	maxRetryAfter = 10 * time.Second // a server that wants a longer pause is not asked again
)

var errTooLarge = errors.New("the answer is larger than any real one")

// get sends one GET request, again if that may help, and reads the answer into buf. An
// answer that is an error comes back as an *apierrors.StatusError.
func (c *client) get(ctx context.Context, path string, query url.Values, accept string, buf *bytes.Buffer) (contentType string, err error) {
	for try := 1; ; try++ {
		contentType, err = c.try(ctx, path, query, accept, buf)
		if err == nil {
			return contentType, nil
		}
		wait, again := retry(err, try)
		if !again {
			return "", err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(wait):
		}
	}
}

// retry says whether and when to try again. What ran into a time limit is not tried
// again: a server that hangs, hangs.
func retry(err error, tries int) (time.Duration, bool) {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := status.Status().Code
		seconds, asked := apierrors.SuggestsClientDelay(err)
		after := time.Duration(max(seconds, 1)) * time.Second
		switch {
		case after > maxRetryAfter:
			return 0, false
		case code == http.StatusTooManyRequests:
			return after, tries < maxThrottled
		case code == http.StatusInternalServerError, code == http.StatusBadGateway, code == http.StatusServiceUnavailable:
			if !asked {
				after = backoff(tries)
			}
			return after, tries < maxTries
		}
		return 0, false
	}
	var dial *net.OpError
	if isTimeout(err) || errors.Is(err, context.Canceled) || errors.As(err, &dial) && dial.Op == "dial" {
		return 0, false
	}
	lost := errors.Is(err, errCutShort) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err)
	return backoff(tries), lost && tries < maxTries
}

func backoff(tries int) time.Duration { return 250 * time.Millisecond << (2 * (tries - 1)) }

// errCutShort is an answer whose end never came.
var errCutShort = errors.New("the answer was cut short")

func (c *client) try(ctx context.Context, path string, query url.Values, accept string, buf *bytes.Buffer) (string, error) {
	u := *c.base
	u.Path, u.RawPath, u.RawQuery = path, "", query.Encode()
	if decoded, err := url.PathUnescape(path); err == nil && decoded != path {
		u.Path, u.RawPath = decoded, path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", accept)
	resp, err := c.do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	buf.Reset()
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil && !isTimeout(err) && ctx.Err() == nil:
		return "", fmt.Errorf("%w: %w", errCutShort, err)
	case err != nil:
		return "", err
	case n > maxAnswer:
		return "", errTooLarge
	case resp.StatusCode/100 == 3:
		return "", fmt.Errorf("%w: it redirects to %s", errNotJSON, plain(resp.Header.Get("Location")))
	case resp.StatusCode != http.StatusOK:
		return "", statusError(resp, buf.Bytes())
	}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	return media, nil
}

// do sends the request. A credential plugin knows nothing of contexts, so that with one
// of them the answer is awaited aside.
func (c *client) do(req *http.Request) (*http.Response, error) {
	if c.plugin == "" {
		return c.http.Do(req)
	}
	type result struct {
		resp *http.Response
		err  error
	}
	answer := make(chan result, 1)
	go func() {
		resp, err := c.http.Do(req) //nolint:bodyclose // the receiver closes it
		answer <- result{resp, err}
	}()
	select {
	case r := <-answer:
		return r.resp, r.err
	case <-req.Context().Done():
		go func() {
			if r := <-answer; r.resp != nil {
				r.resp.Body.Close()
			}
		}()
		return nil, context.Cause(req.Context())
	}
}

// statusError makes an error of an answer that is not 200: the Status that Kubernetes
// sent, or a generic one for what a proxy said.
func statusError(resp *http.Response, body []byte) error {
	after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	if s := decodeStatus(body); s != nil {
		if s.Code == 0 {
			s.Code = int32(resp.StatusCode)
		}
		if after > 0 {
			if s.Details == nil {
				s.Details = &metav1.StatusDetails{}
			}
			s.Details.RetryAfterSeconds = int32(min(after, 3600))
		}
		return &apierrors.StatusError{ErrStatus: *s}
	}
	text := ""
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media == "text/plain" {
		text = plain(string(body[:min(len(body), 1<<10)]))
	}
	return apierrors.NewGenericServerResponse(resp.StatusCode, "GET", schema.GroupResource{}, "", text, min(after, 3600), true)
}

func decodeStatus(body []byte) *metav1.Status {
	var s metav1.Status
	if u, err := unwrap(body); err == nil {
		if u.Kind == "Status" && s.Unmarshal(u.Raw) == nil {
			return &s
		}
		return nil
	}
	if json.Unmarshal(body, &s) == nil && s.Kind == "Status" {
		return &s
	}
	return nil
}
