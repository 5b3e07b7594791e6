package kube

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// connectTimeout bounds the way to the server: name, TCP and TLS. A server that is
// there takes far less even across the world; one behind a closed VPN never answers.
const connectTimeout = 10 * time.Second

// A meter stands between the credentials and the network. It sees each request that is
// really sent, once a credential plugin is done, so that a person's login in a browser
// does not count against the time of a request.
type meter struct {
	next     http.RoundTripper
	timeout  time.Duration // of a request with its body; 0 is no limit
	compress bool

	mu    sync.Mutex
	clock time.Time
}

// A tally counts the requests of one task and the bytes of their answers as they came
// over the network.
type tally struct{ requests, bytes atomic.Int64 }

type tallyKey struct{}

func withTally(ctx context.Context, t *tally) context.Context {
	return context.WithValue(ctx, tallyKey{}, t)
}

func (m *meter) RoundTrip(req *http.Request) (*http.Response, error) {
	count, _ := req.Context().Value(tallyKey{}).(*tally)
	if count == nil {
		count = &tally{}
	}
	count.requests.Add(1)

	ctx, cancel := context.WithCancelCause(req.Context())
	dial := time.AfterFunc(connectTimeout, func() { cancel(errNoConnection) })
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { dial.Stop() }})
	limit := &time.Timer{}
	if m.timeout > 0 {
		limit = time.AfterFunc(m.timeout, func() { cancel(context.DeadlineExceeded) })
	}
	done := func() {
		dial.Stop()
		if m.timeout > 0 {
			limit.Stop()
		}
		cancel(nil)
	}
	req = req.Clone(ctx)
	if m.compress {
		// Asked for here and not by http.Transport, to see the size on the wire.
		req.Header.Set("Accept-Encoding", "gzip")
	}
	resp, err := m.next.RoundTrip(req)
	if err != nil {
		err = causeOf(ctx, err)
		done()
		return nil, err
	}
	m.see(resp.Header.Get("Date"))
	body := &countedBody{ctx: ctx, body: resp.Body, count: &count.bytes, done: done}
	resp.Body = body
	if m.compress && resp.Header.Get("Content-Encoding") == "gzip" {
		resp.Body = &unpackedBody{packed: body}
		resp.Header.Del("Content-Encoding")
		resp.Header.Del("Content-Length")
		resp.ContentLength, resp.Uncompressed = -1, true
	}
	return resp, nil
}

// causeOf prefers why the context was cancelled to the bare fact that it was.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		return cause
	}
	return err
}

// see keeps the latest time that the server told. Its clock, not this machine's, is the
// one that the times in the objects compare with.
func (m *meter) see(date string) {
	if t, err := http.ParseTime(date); err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if t.After(m.clock) {
			m.clock = t
		}
	}
}

func (m *meter) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.clock.IsZero() {
		return time.Now()
	}
	return m.clock
}

type countedBody struct {
	ctx   context.Context
	body  io.ReadCloser
	count *atomic.Int64
	done  func()
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.count.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		err = causeOf(b.ctx, err)
	}
	return n, err
}

func (b *countedBody) Close() error {
	err := b.body.Close()
	b.done()
	return err
}

// An unpackedBody reads the gzip header when it is first read, as a body may be empty.
type unpackedBody struct {
	packed *countedBody
	gzip   *gzip.Reader
}

func (b *unpackedBody) Read(p []byte) (int, error) {
	if b.gzip == nil {
		z, err := gzip.NewReader(b.packed)
		if err != nil {
			return 0, err
		}
		b.gzip = z
	}
	return b.gzip.Read(p)
}

func (b *unpackedBody) Close() error { return b.packed.Close() }
