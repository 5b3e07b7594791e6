package cluster

import "sync"

// Derive returns what find works out from a Snapshot, once for each view of it: checks of
// one area share what each of them would find out again. The key names the package and
// the fact. What find returns must not be changed afterwards.
func Derive[T any](s *Snapshot, key string, find func() T) T {
	s.derived.mu.Lock()
	cell, ok := s.derived.facts[key]
	if !ok {
		cell = &fact{}
		s.derived.facts[key] = cell
	}
	s.derived.mu.Unlock()
	cell.once.Do(func() { cell.value = find() })
	return cell.value.(T)
}

type derived struct {
	mu    sync.Mutex
	facts map[string]*fact
}

type fact struct {
	once  sync.Once
	value any
}

func newDerived() *derived { return &derived{facts: map[string]*fact{}} }
