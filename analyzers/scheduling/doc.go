// Package scheduling holds the checks about pods that get no node.
//
// The scheduler's own words name counts, not causes: "0/6 nodes are available: 2 node(s)
// had untolerated taint(s), 4 node(s) didn't match Pod's node affinity/selector" says
// neither which taint nor which label. Explain therefore repeats the scheduler's filters
// over the objects of the Snapshot, node by node (filter_*.go, after the default profile
// of k8s.io/kubernetes v1.37 pkg/scheduler/framework/plugins); decide.go picks the one
// that the pod could be helped with; and the scheduler's words are held against the
// result (words.go). What the objects refute is not reported, and where they do not
// suffice only the words are, at a lower severity.
package scheduling
