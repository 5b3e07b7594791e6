package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

const (
	pageSize = 500
	// ConfigMaps may be of 1 MiB each, and a page is in memory at once.
	configMapPageSize = 100
	// maxPages ends a list whose continue tokens never do: 2 million objects.
	maxPages = 4000
)

// A listing is what was read of one kind, in one namespace or in all ("").
type listing struct {
	kind      cluster.Kind
	namespace string
	objects   []cluster.Object
	read      int // objects, once they were handed on
	pages     int
	err       error
	tally     tally
	took      time.Duration
}

// list reads a kind page by page, or only the objects that a selector names. What was
// read before an error stays.
func (c *client) list(ctx context.Context, k cluster.Kind, namespace string, only url.Values, progress func(objects int)) *listing {
	l := &listing{kind: k, namespace: namespace}
	start := time.Now()
	defer func() { l.took = time.Since(start) }()
	ctx = withTally(ctx, &l.tally)
	size := pageSize
	if k.GroupKind() == cluster.ConfigMaps {
		size = configMapPageSize
	}
	next, parts := "", newSharer()
	restarted := false
	for {
		p, err := c.page(ctx, k, namespace, only, size, next, parts)
		switch {
		case err == nil:
		case next == "" || restarted || !apierrors.IsResourceExpired(err):
			l.err = err
			return l
		default:
			// The pages took longer than the server keeps old versions (etcd compacts
			// every 5 minutes). It offers to go on with the present version: each object
			// that existed all the time is still in the list. Without the offer the list
			// starts again, in one piece, which cannot expire.
			if token := continueToken(err); token != "" && token != next {
				next = token
				continue
			}
			restarted, next, size, l.objects = true, "", 0, nil
			continue
		}
		l.pages++
		l.objects = append(l.objects, p.objects...)
		progress(len(l.objects))
		if p.next == "" {
			return l
		}
		if p.next == next || l.pages == maxPages {
			l.err = errors.New("the server's pages do not end")
			return l
		}
		next = p.next
	}
}

func continueToken(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Continue
	}
	return ""
}

func (c *client) page(ctx context.Context, k cluster.Kind, namespace string, only url.Values, size int, next string, parts *sharer) (page, error) {
	query := url.Values{}
	maps.Copy(query, only)
	if size > 0 {
		query.Set("limit", strconv.Itoa(size))
	}
	if next != "" {
		query.Set("continue", next)
	}
	buf := c.buffer()
	defer c.buffers.Put(buf)
	media, err := c.get(ctx, c.resourcePath(k, namespace), query, accept(k), buf)
	if err != nil {
		return page{}, err
	}
	p, err := decodePage(k, media, buf.Bytes(), parts)
	if err != nil {
		return page{}, fmt.Errorf("read %s: %w", k.Resource, err)
	}
	return p, nil
}

func (c *client) resourcePath(k cluster.Kind, namespace string) string {
	parts := []string{"api", k.Version}
	if k.Group != "" {
		parts = []string{"apis", k.Group, k.Version}
	}
	if namespace != "" {
		parts = append(parts, "namespaces", namespace)
	}
	return c.path(append(parts, k.Resource)...)
}
