package kube

import (
	"time"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Stats tell what reading a cluster took.
type Stats struct {
	Requests int           // sent, repeated ones included
	Bytes    int64         // of the answers, as they came over the network
	Took     time.Duration // from the first request to the last answer
	Kinds    []KindStats   // in the order of cluster.Kinds, namespaces by name
	Logs     LogStats
	Notes    []string // what a person should know about the scope, one sentence each
}

// KindStats are those of one kind, in one namespace or in all ("").
type KindStats struct {
	Group     string
	Kind      string
	Namespace string
	Requests  int
	Objects   int
	Bytes     int64
	Took      time.Duration
	State     cluster.State
}

// LogStats are those of the container logs.
type LogStats struct {
	Requests int
	Read     int // with text
	Failed   int
	Owners   int // workloads whose logs were asked for
	Skipped  int // workloads over the limit
	Bytes    int64
	Took     time.Duration
}

// Progress tells how far the reading of one resource is. Calls never overlap.
type Progress struct {
	Resource string // "pods", "logs"
	Objects  int    // so far
	Done     bool
}
