package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Options say what to read and how.
type Options struct {
	Flags Flags
	// Redactor masks secrets before anybody sees the objects. It must leave alone what it
	// has masked, as equal parts of objects are one in memory and are masked more than once.
	Redactor cluster.Redactor
	NoLogs   bool // read no container logs

	// Timeout bounds the reading as a whole, once the server has answered for the first
	// time; 0 means 2 minutes. What is not read by then is recorded as timed out.
	Timeout time.Duration

	Progress func(Progress) // may be nil
	// Stderr gets what a credential plugin has to say, such as where to log in, as clean
	// lines; nil drops it. NoStdin keeps a plugin off the terminal's input, when
	// something else reads it.
	Stderr  io.Writer
	NoStdin bool
}

const (
	defaultTimeout = 2 * time.Minute
	// parallel requests: enough to hide the way there and back, few enough for the fair
	// queuing of the API server (a person's default share has 49 seats in all).
	parallel = 8
)

var (
	errOutOfTime = errors.New("the time for reading the cluster is over")
	errSilent    = errors.New("no list is answered in time")
)

// Collect reads a cluster. An *Error says that it could not be read at all, and there is
// no Snapshot. When ctx ends, the error wraps ctx's, and the Snapshot, if there is one,
// has what was read until then. Whatever else could not be read is no error: it is in the
// Snapshot's access records.
func Collect(ctx context.Context, opts Options) (*cluster.Snapshot, Stats, error) {
	scope, err := opts.Flags.scope()
	if err != nil {
		return nil, Stats{}, err
	}
	c, err := connect(opts)
	if err != nil {
		return nil, Stats{}, err
	}
	pluginOutput.to(opts.Stderr)
	defer pluginOutput.to(nil)
	r := &reading{client: c, opts: opts, scope: scope, start: time.Now()}
	if err := r.greet(ctx); err != nil {
		return nil, r.stats(), err
	}
	timeout := opts.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	limited, cancel := context.WithTimeoutCause(ctx, timeout, errOutOfTime)
	defer cancel()
	if err := r.namespacesExist(limited); err != nil {
		return nil, r.stats(), err
	}
	r.discover(limited)
	if err := r.lists(limited); err != nil {
		return nil, r.stats(), err
	}
	s := r.snapshot(limited)
	if ctx.Err() != nil {
		return s, r.stats(), fmt.Errorf("reading the cluster was interrupted: %w", ctx.Err())
	}
	return s, r.stats(), nil
}

// A reading is the state of one Collect.
type reading struct {
	*client
	opts     Options
	scope    []string // namespaces asked for; empty means all
	start    time.Time
	other    tally // requests that are neither lists nor logs
	extra    []cluster.Object
	listings []*listing
	access   []cluster.Access // of each listing
	around   []*listing       // beside the scope
	unlisted []cluster.Access // of what is in no listing: kinds that the server has not, and the surroundings
	heard    cluster.Health
	logs     LogStats
	logTally tally
	notes    []string
	groups   map[string][]string // API group -> versions that the server has; nil when unknown

	mu       sync.Mutex // guards what follows and the calls of opts.Progress
	answered bool       // some list was
	silent   int        // lists that were not, in time
	giveUp   context.CancelCauseFunc
}

// lists reads all kinds. Its error says that nothing at all was answered.
func (r *reading) lists(limited context.Context) error {
	ctx, giveUp := context.WithCancelCause(limited)
	defer giveUp(nil)
	r.giveUp = giveUp
	var tasks []func() []*listing
	for _, k := range cluster.Kinds() {
		k, ok, why := r.readable(k)
		if !ok {
			a := cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.NotServed}
			if why != "" {
				a.State, a.Why, a.Hint = cluster.Failed, why, r.kubectl("api-resources", "--api-group", k.Group)
			}
			r.unlisted = append(r.unlisted, a)
			continue
		}
		switch {
		case !k.Namespaced:
			tasks = append(tasks, func() []*listing { return []*listing{r.one(ctx, k, "")} })
		case len(r.scope) == 0:
			tasks = append(tasks, func() []*listing { return r.allOrOwn(ctx, k) })
		default:
			for _, ns := range r.scope {
				tasks = append(tasks, func() []*listing { return []*listing{r.one(ctx, k, ns)} })
			}
		}
	}
	results := make([][]*listing, len(tasks))
	var g errgroup.Group
	g.SetLimit(parallel)
	g.Go(func() error {
		r.heard = r.health(ctx)
		return nil
	})
	for i, task := range tasks {
		g.Go(func() error {
			results[i] = task()
			return nil
		})
	}
	_ = g.Wait()
	r.listings = slices.Concat(results...)
	if len(r.scope) == 0 {
		r.narrow()
	} else {
		if r.unscheduled() {
			r.listings = append(r.listings, r.otherPods(ctx))
		}
		r.surround(ctx)
	}
	r.secretTypes(ctx)
	for _, l := range r.listings {
		r.access = append(r.access, r.client.access(ctx, l))
	}
	return r.verdict(limited)
}

// one lists one kind. When none of the first lists is answered in time, the rest need not
// be tried: an API server without its etcd answers /version at once and lists never.
func (r *reading) one(ctx context.Context, k cluster.Kind, namespace string) *listing {
	l := r.list(ctx, k, namespace, nil, func(n int) { r.tell(k.Resource, n, false) })
	r.tell(k.Resource, len(l.objects), true)
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.pages > 0 || !isTimeout(l.err) {
		r.answered = true
	} else if r.silent++; r.silent == parallel && !r.answered {
		r.giveUp(errSilent)
	}
	return l
}

// snapshot builds what was read, twice: the first one serves to choose the logs. It
// shares its objects with the second, which alone masks them.
func (r *reading) snapshot(ctx context.Context) *cluster.Snapshot {
	b := cluster.NewBuilder(cluster.Info{Context: r.context, Version: r.version, CapturedAt: r.meter.now(), Namespaces: r.scope})
	b.Add(r.extra...)
	for _, l := range slices.Concat(r.around, r.listings) {
		b.Add(l.objects...)
		l.read, l.objects = len(l.objects), nil
	}
	b.AddHealth(r.heard)
	b.AddAccess(r.access...)
	b.AddAccess(r.unlisted...)
	if !r.opts.NoLogs && ctx.Err() == nil {
		r.addLogs(ctx, b)
	}
	b.Redactor = r.opts.Redactor
	return b.Build()
}

func (r *reading) addLogs(ctx context.Context, b *cluster.Builder) {
	start := time.Now()
	s := b.Build()
	wants, owners, skipped := wantedLogs(s)
	wants = addInfraLogs(s, wants)
	logs := r.readLogs(ctx, wants, &r.logTally, func(n int) { r.tell("logs", n, false) })
	for _, l := range logs {
		b.AddLog(l)
		if l.Why == "" {
			r.logs.Read++
		} else {
			r.logs.Failed++
		}
	}
	for _, w := range skipped {
		b.AddLog(cluster.Log{
			Namespace: w.pod.Namespace, Pod: w.pod.Name, Container: w.container, Previous: w.previous,
			Why: fmt.Sprintf("only the logs of the %d worst workloads are read", maxLogOwners),
		})
	}
	r.logs.Owners, r.logs.Skipped, r.logs.Took = owners, len(skipped), time.Since(start)
	if len(wants) > 0 {
		r.tell("logs", len(wants), true)
	}
}

func (r *reading) tell(resource string, n int, done bool) {
	if r.opts.Progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opts.Progress(Progress{Resource: resource, Objects: n, Done: done})
}

func (r *reading) stats() Stats {
	out := Stats{Requests: int(r.other.requests.Load()), Bytes: r.other.bytes.Load(), Took: time.Since(r.start), Logs: r.logs, Notes: r.notes}
	out.Logs.Requests, out.Logs.Bytes = int(r.logTally.requests.Load()), r.logTally.bytes.Load()
	for i, l := range r.listings {
		k := KindStats{
			Group: l.kind.Group, Kind: l.kind.Kind, Namespace: l.namespace, Objects: l.read, Took: l.took,
			Requests: int(l.tally.requests.Load()), Bytes: l.tally.bytes.Load(),
		}
		if i < len(r.access) {
			k.State = r.access[i].State
		}
		out.Kinds = append(out.Kinds, k)
		out.Requests += k.Requests
		out.Bytes += k.Bytes
	}
	for _, l := range r.around {
		out.Requests += int(l.tally.requests.Load())
		out.Bytes += l.tally.bytes.Load()
	}
	out.Requests += out.Logs.Requests
	out.Bytes += out.Logs.Bytes
	return out
}
