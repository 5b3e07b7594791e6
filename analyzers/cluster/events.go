package cluster

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

type eventIndex struct {
	once   sync.Once
	byUID  map[types.UID][]*corev1.Event
	byName map[eventKey][]*corev1.Event
}

type eventKey struct{ kind, namespace, name string }

// EventsFor returns the events about o, oldest first. An event that carries a UID is
// about the object with that UID alone: a StatefulSet's pod of the same name that was
// there before is another object. Events without one match by kind, namespace and name.
func (s *Snapshot) EventsFor(o Object) []*corev1.Event {
	s.note(Events)
	x := &s.lazy.events
	x.once.Do(func() {
		x.byUID, x.byName = map[types.UID][]*corev1.Event{}, map[eventKey][]*corev1.Event{}
		for _, item := range s.objects[Events] {
			ev := item.(*corev1.Event)
			ref := ev.InvolvedObject
			// The kubelet writes a node's name into the UID of events about its node.
			if ref.UID != "" && string(ref.UID) != ref.Name {
				x.byUID[ref.UID] = append(x.byUID[ref.UID], ev)
				continue
			}
			key := eventKey{ref.Kind, ref.Namespace, ref.Name}
			x.byName[key] = append(x.byName[key], ev)
		}
	})
	if strings.HasPrefix(string(o.GetUID()), string(wouldBe)) {
		return nil
	}
	var out []*corev1.Event
	if uid := o.GetUID(); uid != "" {
		out = append(out, x.byUID[uid]...)
	}
	out = append(out, x.byName[eventKey{o.GetObjectKind().GroupVersionKind().Kind, o.GetNamespace(), o.GetName()}]...)
	slices.SortStableFunc(out, func(a, b *corev1.Event) int {
		return cmp.Or(EventTime(a).Compare(EventTime(b)), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// LastEvent returns the newest event about o with one of these reasons (any, when none
// is given) that match accepts; match may be nil.
func (s *Snapshot) LastEvent(o Object, match func(*corev1.Event) bool, reasons ...string) (*corev1.Event, bool) {
	events := s.EventsFor(o)
	for i := len(events) - 1; i >= 0; i-- {
		ev := events[i]
		if (len(reasons) == 0 || slices.Contains(reasons, ev.Reason)) && (match == nil || match(ev)) {
			return ev, true
		}
	}
	return nil, false
}

// EventTime is when an event last happened. Events written through events.k8s.io have
// no lastTimestamp, only eventTime and perhaps a series.
func EventTime(ev *corev1.Event) time.Time {
	switch {
	case ev.Series != nil && !ev.Series.LastObservedTime.IsZero():
		return ev.Series.LastObservedTime.Time
	case !ev.LastTimestamp.IsZero():
		return ev.LastTimestamp.Time
	case !ev.EventTime.IsZero():
		return ev.EventTime.Time
	case !ev.FirstTimestamp.IsZero():
		return ev.FirstTimestamp.Time
	}
	return ev.CreationTimestamp.Time
}

// EventCount is how often an event happened, at least once.
func EventCount(ev *corev1.Event) int32 {
	n := ev.Count
	if ev.Series != nil {
		n = max(n, ev.Series.Count)
	}
	return max(n, 1)
}
