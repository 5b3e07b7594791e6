package cluster

import (
	"cmp"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Info says which cluster a Snapshot is of.
type Info struct {
	Context    string    `json:"context,omitempty"` // kubeconfig context; empty when there was none
	Version    string    `json:"version,omitempty"` // the API server's gitVersion
	CapturedAt time.Time `json:"capturedAt"`
	Namespaces []string  `json:"namespaces,omitempty"` // what was asked for; empty means all
}

type objectKey struct {
	kind schema.GroupKind
	name types.NamespacedName
}

type containerKey struct {
	pod       types.NamespacedName
	container string
	previous  bool
}

// A Snapshot is an immutable, ordered view of a cluster at one time.
type Snapshot struct {
	info    Info
	objects map[schema.GroupKind][]Object // sorted by namespace, then name
	access  map[schema.GroupKind][]Access
	logs    map[containerKey]Log
	health  []Health
	byName  map[objectKey]Object
	lazy    *indexes               // of the objects, shared by views of another scope
	derived *derived               // of this view
	read    func(schema.GroupKind) // set by Recording
}

// Now is the time of the Snapshot: no analyzer has another clock.
func (s *Snapshot) Now() time.Time { return s.info.CapturedAt }

// Since is the age of t at the time of the Snapshot, zero for a zero t.
func (s *Snapshot) Since(t time.Time) time.Duration {
	if t.IsZero() || t.After(s.Now()) {
		return 0
	}
	return s.Now().Sub(t)
}

// Info says which cluster this is.
func (s *Snapshot) Info() Info { return s.info }

// InScope reports whether the user asked about this namespace. Objects without a
// namespace are always in scope.
func (s *Snapshot) InScope(namespace string) bool {
	return namespace == "" || len(s.info.Namespaces) == 0 || slices.Contains(s.info.Namespaces, namespace)
}

// All iterates the objects of one type, ordered by namespace and name, whether or not
// they are in scope.
func All[T Object](s *Snapshot) iter.Seq[T] {
	list := s.list(kindOf[reflect.TypeFor[T]()].GroupKind())
	return func(yield func(T) bool) {
		for _, o := range list {
			if !yield(o.(T)) {
				return
			}
		}
	}
}

// Scoped iterates the objects of one type that the user asked about.
func Scoped[T Object](s *Snapshot) iter.Seq[T] {
	if k := kindOf[reflect.TypeFor[T]()]; len(s.info.Namespaces) == 0 || !k.Namespaced {
		return All[T](s)
	}
	return func(yield func(T) bool) {
		for _, namespace := range s.info.Namespaces {
			for o := range In[T](s, namespace) {
				if !yield(o) {
					return
				}
			}
		}
	}
}

// In iterates the objects of one type in one namespace.
func In[T Object](s *Snapshot, namespace string) iter.Seq[T] {
	list := s.list(kindOf[reflect.TypeFor[T]()].GroupKind())
	from, _ := slices.BinarySearchFunc(list, namespace, func(o Object, ns string) int { return cmp.Compare(o.GetNamespace(), ns) })
	return func(yield func(T) bool) {
		for _, o := range list[from:] {
			if o.GetNamespace() != namespace || !yield(o.(T)) {
				return
			}
		}
	}
}

// Find returns the object of one type with this name.
func Find[T Object](s *Snapshot, namespace, name string) (T, bool) {
	gk := kindOf[reflect.TypeFor[T]()].GroupKind()
	s.note(gk)
	o, ok := s.byName[objectKey{gk, types.NamespacedName{Namespace: namespace, Name: name}}].(T)
	return o, ok
}

// Get returns the object that ref names.
func (s *Snapshot) Get(ref Ref) (Object, bool) {
	s.note(ref.GroupKind())
	o, ok := s.byName[ref.key()]
	return o, ok
}

// Objects returns all objects of one kind, ordered by namespace and name.
func (s *Snapshot) Objects(gk schema.GroupKind) []Object { return s.list(gk) }

// Count is the number of objects in the Snapshot.
func (s *Snapshot) Count() int { return len(s.byName) }

// Recording returns a view of s that notes every kind read through All, In, Find and
// Get; the second result lists them. It serves the test that what an analyzer declares
// and what it reads are the same. The view is not safe for concurrent use.
func (s *Snapshot) Recording() (*Snapshot, func() []schema.GroupKind) {
	view, seen := *s, map[schema.GroupKind]bool{}
	view.derived = newDerived()
	view.read = func(gk schema.GroupKind) { seen[gk] = true }
	return &view, func() []schema.GroupKind {
		var out []schema.GroupKind
		for gk := range seen {
			out = append(out, gk)
		}
		slices.SortFunc(out, func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) })
		return out
	}
}

func (s *Snapshot) list(gk schema.GroupKind) []Object {
	s.note(gk)
	return s.objects[gk]
}

func (s *Snapshot) note(gk schema.GroupKind) {
	if s.read != nil {
		s.read(gk)
	}
}

// indexes are built on first use and shared by all views of a Snapshot.
type indexes struct {
	uid    sync.Once
	byUID  map[types.UID]Object
	owned  map[types.UID][]Object
	root   sync.Once
	roots  map[types.UID]Ref // of pods
	pods   podIndex
	ips    ipIndex
	events eventIndex
}

func newIndexes() *indexes { return &indexes{} }

// Narrow returns a view of s whose scope is these namespaces; its objects stay the same.
func (s *Snapshot) Narrow(namespaces []string) *Snapshot {
	view := *s
	view.info.Namespaces = slices.Sorted(slices.Values(namespaces))
	view.derived = newDerived()
	return &view
}

// HasNamespace reports whether the namespace, or anything in it, is in the Snapshot.
func (s *Snapshot) HasNamespace(name string) bool {
	for gk, list := range s.objects {
		if gk == Namespaces {
			if _, ok := s.byName[objectKey{gk, types.NamespacedName{Name: name}}]; ok {
				return true
			}
			continue
		}
		i, found := slices.BinarySearchFunc(list, name, func(o Object, ns string) int { return cmp.Compare(o.GetNamespace(), ns) })
		if found && list[i].GetNamespace() == name {
			return true
		}
	}
	return false
}
