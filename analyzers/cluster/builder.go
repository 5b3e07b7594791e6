package cluster

import (
	"cmp"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// A Redactor masks secrets in text. See llm/redact for the one that the product uses.
type Redactor interface {
	Text(s string) string
	Value(name, value string) string
	Args(args []string) []string
}

// A Builder gathers objects and makes a Snapshot of them. It is safe for concurrent
// use until Build is called; afterwards the objects belong to the Snapshot.
type Builder struct {
	Info Info
	// Redactor masks secrets in each object and log before anybody sees them; nil
	// leaves them as they are, which is right only for input that was masked before.
	Redactor Redactor

	mu      sync.Mutex
	objects map[schema.GroupKind][]Object
	access  map[schema.GroupKind][]Access
	logs    map[containerKey]Log
	health  []Health
}

// NewBuilder returns an empty Builder.
func NewBuilder(info Info) *Builder {
	return &Builder{
		Info:    info,
		objects: map[schema.GroupKind][]Object{},
		access:  map[schema.GroupKind][]Access{},
		logs:    map[containerKey]Log{},
	}
}

// Add takes objects of known kinds; a nil one and one of an unknown kind is ignored.
// It drops what no analyzer reads: managed fields, the last applied configuration and
// binary data.
func (b *Builder) Add(objects ...Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range objects {
		if o == nil {
			continue
		}
		k, ok := kindFor(o)
		if !ok {
			continue
		}
		if !k.Custom() { // those keep the version that they were read in
			o.GetObjectKind().SetGroupVersionKind(k.GroupVersionKind)
		}
		Trim(o)
		b.objects[k.GroupKind()] = append(b.objects[k.GroupKind()], o)
	}
}

// AddAccess records how much of a kind was read.
func (b *Builder) AddAccess(records ...Access) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range records {
		b.access[a.GroupKind()] = append(b.access[a.GroupKind()], a)
	}
}

// AddLog keeps the log of one container.
func (b *Builder) AddLog(l Log) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logs[l.key()] = l
}

// Build sorts, masks and indexes what was added. Of two objects with the same name the
// one added last wins. Without a capture time the latest time found in the objects is
// taken, so that ages in an undated file are never negative nor grow with its age.
func (b *Builder) Build() *Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &Snapshot{
		info: b.Info, objects: map[schema.GroupKind][]Object{}, access: map[schema.GroupKind][]Access{},
		logs: map[containerKey]Log{}, byName: map[objectKey]Object{}, lazy: newIndexes(), derived: newDerived(),
		health: slices.Clone(b.health),
	}
	for i := range s.health {
		if b.Redactor != nil {
			s.health[i].Text = b.Redactor.Text(s.health[i].Text)
		}
	}
	slices.SortFunc(s.health, func(x, y Health) int { return cmp.Compare(x.Path, y.Path) })
	s.info.Namespaces = slices.Clone(b.Info.Namespaces)
	slices.Sort(s.info.Namespaces)
	for _, k := range kinds {
		gk := k.GroupKind()
		list := slices.Clone(b.objects[gk])
		slices.SortStableFunc(list, compareObjects)
		list = lastOfEach(list)
		for _, o := range list {
			redactObject(b.Redactor, o)
			s.byName[objectKey{gk, types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}}] = o
		}
		if len(list) > 0 {
			s.objects[gk] = list
		}
		if records := b.access[gk]; len(records) > 0 {
			records = slices.Clone(records)
			slices.SortStableFunc(records, func(x, y Access) int { return cmp.Compare(x.Namespace, y.Namespace) })
			s.access[gk] = records
		} else {
			s.access[gk] = []Access{{Group: gk.Group, Kind: gk.Kind, State: NotCollected, Why: "the input does not hold this kind"}}
		}
	}
	for _, l := range sortedLogs(b.logs) {
		s.logs[l.key()] = redactLog(b.Redactor, l)
	}
	if s.info.CapturedAt.IsZero() {
		s.info.CapturedAt = latestTime(s)
	}
	s.info.CapturedAt = s.info.CapturedAt.UTC().Truncate(time.Second)
	return s
}

func kindFor(o Object) (Kind, bool) {
	k, ok := kindOf[typeOf(o)]
	if u, custom := o.(*unstructured.Unstructured); custom {
		k, ok = kindByGK[u.GroupVersionKind().GroupKind()]
		ok = ok && k.Custom()
	}
	return k, ok
}

func compareObjects(a, b Object) int {
	return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
}

func lastOfEach(list []Object) []Object {
	out := list[:0]
	for i, o := range list {
		if i+1 < len(list) && compareObjects(o, list[i+1]) == 0 {
			continue
		}
		out = append(out, o)
	}
	return out
}

// latestTime is the newest time that any pod, event or object of the Snapshot tells.
func latestTime(s *Snapshot) time.Time {
	var latest time.Time
	see := func(t time.Time) {
		if t.After(latest) {
			latest = t
		}
	}
	for _, list := range s.objects {
		for _, o := range list {
			see(o.GetCreationTimestamp().Time)
			switch o := o.(type) {
			case *corev1.Event:
				see(EventTime(o))
			case *corev1.Pod:
				for _, c := range o.Status.Conditions {
					see(c.LastTransitionTime.Time)
				}
				for _, c := range ContainerStatuses(o) {
					if c.State.Running != nil {
						see(c.State.Running.StartedAt.Time)
					}
					if c.State.Terminated != nil {
						see(c.State.Terminated.FinishedAt.Time)
					}
				}
			}
		}
	}
	return latest
}
