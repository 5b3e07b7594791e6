package pods

import (
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// The stages of a pod's way, in order.
const (
	Authenticated = "authenticated"
	Authorised    = "authorised"
	Admitted      = "admitted"
	Scheduled     = "scheduled"
	Volumes       = "volumes"
	Network       = "network" // the sandbox and its address
	Images        = "images"
	Started       = "containers-started"
	Probes        = "probes"
	Ready         = "ready"
	Traffic       = "receiving-traffic"
)

var stageNames = []string{Authenticated, Authorised, Admitted, Scheduled, Volumes, Network, Images, Started, Probes, Ready, Traffic}

// A State says how a pod stands to one stage.
type State string

const (
	Passed        State = "passed"
	Current       State = "current"        // at work on it, for no longer than is usual
	Blocked       State = "blocked"        // stands still here
	Pending       State = "pending"        // has not come so far
	Unknown       State = "unknown"        // cannot be seen
	NotApplicable State = "not-applicable" // this pod has no such stage
)

// A Stage is one step of a Journey.
type Stage struct {
	Name  string
	State State
	// Took is how long the stage took, or takes by now; zero when it is not known.
	Took   time.Duration
	Detail string // one line: the node, the image and its pull, what it waits for
}

// MarshalJSON writes Took as people read it: "1.5s".
func (s Stage) MarshalJSON() ([]byte, error) {
	out := struct {
		Name   string `json:"name"`
		State  State  `json:"state"`
		Took   string `json:"took,omitempty"`
		Detail string `json:"detail,omitempty"`
	}{s.Name, s.State, "", s.Detail}
	if s.Took > 0 {
		out.Took = s.Took.String()
	}
	return json.Marshal(out)
}

// A Journey is how far a pod came. It always has all stages.
type Journey struct {
	Subject  cluster.Ref `json:"subject"` // the pod, or the workload that has none
	Deleting bool        `json:"deleting,omitempty"`
	Stages   []Stage     `json:"stages"`
}

// Stopped is the stage at which the journey stands: blocked, or still at work. ok is
// false for one that has come to its end.
func (j Journey) Stopped() (stage Stage, ok bool) {
	for _, s := range j.Stages {
		if s.State == Blocked || s.State == Current {
			return s, true
		}
	}
	return Stage{}, false
}

// Stage returns the stage of that name.
func (j Journey) Stage(name string) Stage {
	for _, s := range j.Stages {
		if s.Name == name {
			return s
		}
	}
	return Stage{Name: name, State: Unknown}
}

// JourneyOf follows one pod. It reads conditions and container states, which say what is
// so now; events only tell how long something took and why it fails.
func JourneyOf(s *cluster.Snapshot, pod *corev1.Pod) Journey {
	w := walk{s: s, pod: pod, created: pod.CreationTimestamp.Time}
	j := Journey{Subject: cluster.RefOf(pod), Deleting: pod.DeletionTimestamp != nil}
	steps := []func() Stage{
		func() Stage { return Stage{State: Passed} },
		func() Stage { return Stage{State: Passed} },
		w.admitted, w.scheduled, w.volumes, w.network, w.images, w.started, w.probes, w.ready, w.traffic,
	}
	stopped := false
	for i, name := range stageNames {
		stage := Stage{State: Pending}
		if !stopped {
			stage = steps[i]()
			stopped = stage.State == Blocked || stage.State == Current
		}
		stage.Name = name
		j.Stages = append(j.Stages, stage)
	}
	return j
}

// walk is what the stages of one pod share.
type walk struct {
	s       *cluster.Snapshot
	pod     *corev1.Pod
	created time.Time

	scheduledAt time.Time
	sandboxAt   time.Time
	startedAt   time.Time
	readyAt     time.Time // of the containers
}

// between is the time from one moment to another to the second, as exactly as conditions
// know it; zero when one is not known.
func between(from, to time.Time) time.Duration {
	from, to = from.Truncate(time.Second), to.Truncate(time.Second)
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return 0
	}
	return to.Sub(from)
}

// since is how long ago t was, to the second.
func (w *walk) since(t time.Time) time.Duration { return w.s.Since(t).Round(time.Second) }

func (w *walk) admitted() Stage {
	// A pod that exists has passed the API server, whatever its webhooks changed.
	if class := w.pod.Spec.PriorityClassName; class != "" {
		return Stage{State: Passed, Detail: "priority class " + class}
	}
	return Stage{State: Passed}
}
