package kube

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	logLines = 100
	maxLog   = 64 << 10 // kept of one log, its end
	// The API's limitBytes keeps the beginning of the chosen lines and drops the end,
	// where the reason stands. So more is asked for than is kept: 100 of the longest
	// lines that a runtime writes (16 KiB each).
	logLimitBytes = 2 << 20
	logTimeout    = 10 * time.Second
)

// gone are the beginnings of what the kubelet writes in place of a log that it does not
// have any more (k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go;
// k8s.io/cri-client pkg/logs/logs.go).
var gone = []string{"unable to retrieve container logs for ", "failed to try resolving symlinks in path "}

// readLogs reads the wanted logs. A log that cannot be read is recorded, and what stands
// in the way of others too ends those at once: a node that does not answer, a namespace
// whose logs are forbidden.
func (c *client) readLogs(ctx context.Context, wants []logWant, count *tally, progress func(n int)) []cluster.Log {
	ctx = withTally(ctx, count)
	out := make([]cluster.Log, len(wants))
	var (
		mu      sync.Mutex
		blocked = map[string]string{} // why, by node or namespace
		read    int
	)
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, w := range wants {
		g.Go(func() error {
			node, namespace := "node "+w.pod.Spec.NodeName, "namespace "+w.pod.Namespace
			mu.Lock()
			why := blocked[node] + blocked[namespace]
			mu.Unlock()
			out[i] = cluster.Log{Namespace: w.pod.Namespace, Pod: w.pod.Name, Container: w.container, Previous: w.previous, Why: why}
			if why != "" {
				return nil
			}
			text, err := c.log(ctx, w)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				out[i].Text, out[i].Truncated, out[i].Why = tail(text, w.last())
			case ctx.Err() != nil:
				out[i].Why = "there was no time left to read it"
			case apierrors.IsForbidden(err):
				out[i].Why = plain(err.Error()) + "; see: " + c.kubectl("auth", "can-i", "get", "pods", "--subresource", "log", "-n", w.pod.Namespace)
				blocked[namespace] = out[i].Why
			case isTimeout(err), apierrors.IsTimeout(err):
				out[i].Why = fmt.Sprintf("node %s does not answer", w.pod.Spec.NodeName)
				blocked[node] = out[i].Why
			default:
				out[i].Why = logError(err)
			}
			read++
			progress(read)
			return nil
		})
	}
	_ = g.Wait()
	return out
}

func (w logWant) last() int { return cmp.Or(w.lines, logLines) }

func (c *client) log(ctx context.Context, w logWant) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	query := url.Values{"container": {w.container}, "tailLines": {strconv.Itoa(w.last())}, "limitBytes": {strconv.Itoa(logLimitBytes)}}
	if w.previous {
		query.Set("previous", "true")
	}
	buf := c.buffer()
	defer c.buffers.Put(buf)
	_, err := c.get(ctx, c.path("api", "v1", "namespaces", w.pod.Namespace, "pods", w.pod.Name, "log"), query, "application/json, */*", buf)
	return buf.String(), err
}

// tail is the end of a log, from a line's beginning.
func tail(text string, lines int) (kept string, cut bool, why string) {
	for _, g := range gone {
		if strings.HasPrefix(text, g) && strings.Count(strings.TrimSpace(text), "\n") == 0 {
			return "", false, plain(text)
		}
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	cut = strings.Count(text, "\n") >= lines
	if len(text) > maxLog {
		text, cut = text[len(text)-maxLog:], true
		if i := strings.IndexByte(text, '\n'); i >= 0 && i < len(text)-1 {
			text = text[i+1:]
		}
		text = strings.ToValidUTF8(text, "")
	}
	return text, cut, ""
}

func logError(err error) string {
	if apierrors.IsNotFound(err) {
		return "the pod is gone"
	}
	return cause(err)
}
