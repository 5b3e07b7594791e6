package scheduling

import (
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// words are what the scheduler last said of a pod (k8s.io/kubernetes
// pkg/scheduler/framework/types.go, FitError.Error):
// "0/X nodes are available: <before any node>. <counts>. <preemption>".
type words struct {
	text   string
	nodes  int            // X; -1 when the text does not say
	before string         // a reason that concerns no single node
	counts map[string]int // reason -> nodes
	at     analyzers.Evidence
}

var (
	wordsStart = regexp.MustCompile(`^\d+/(\d+) nodes are available: `)
	wordsCount = regexp.MustCompile(`(?:^|, )(\d+) `)
)

// wordsAbout returns the scheduler's newest words. The pod's condition holds them as
// long as the pod waits; the event is kept for an hour only, but tells when.
func wordsAbout(s *cluster.Snapshot, pod *corev1.Pod) (words, bool) {
	c := cluster.PodCondition(pod, corev1.PodScheduled)
	ev, ok := s.LastEvent(pod, nil, "FailedScheduling")
	said := c != nil && c.Status == corev1.ConditionFalse && c.Message != "" && c.Reason != corev1.PodReasonSchedulingGated
	if said && (!ok || !strings.HasPrefix(c.Message, strings.TrimSuffix(ev.Message, " ..."))) {
		w := parseWords(c.Message)
		w.at = analyzers.Evidence{Source: cluster.RefOf(pod).String(), Path: "status.conditions[PodScheduled].message", Quote: c.Message, At: c.LastTransitionTime.Time}
		return w, true
	}
	if !ok {
		return words{nodes: -1}, false
	}
	w := parseWords(ev.Message)
	w.at = analyzers.Evidence{Source: "Event on " + cluster.RefOf(pod).String(), Path: ev.Reason, Quote: ev.Message, At: cluster.EventTime(ev)}
	return w, true
}

func parseWords(text string) words {
	w := words{text: text, nodes: -1, counts: map[string]int{}}
	m := wordsStart.FindStringSubmatch(text)
	if m == nil {
		w.before = text
		return w
	}
	w.nodes, _ = strconv.Atoi(m[1])
	rest := text[len(m[0]):]
	for _, end := range []string{" preemption: ", " no new claims to deallocate", ". not found"} {
		rest, _, _ = strings.Cut(rest, end)
	}
	rest = strings.TrimSuffix(strings.TrimSpace(strings.TrimSuffix(rest, ", ")), ".")
	at := wordsCount.FindAllStringSubmatchIndex(rest, -1)
	if len(at) == 0 || at[0][0] != 0 {
		w.before = rest
		return w
	}
	for i, x := range at {
		end := len(rest)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		n, _ := strconv.Atoi(rest[x[2]:x[3]])
		w.counts[strings.TrimSuffix(rest[x[1]:end], ".")] += n
	}
	return w
}

// phrases are the scheduler's reasons by their beginning, of 1.37 and of older releases,
// and the filter that gives them (ErrReason… in pkg/scheduler/framework/plugins/*). A
// reason without a filter here is of one that cannot be evaluated.
var phrases = []struct {
	start string
	from  Filter
	kind  kind
}{
	{"node(s) were unschedulable", NodeUnschedulable, byState},
	{"node(s) had untolerated taint", TaintToleration, byTaint},
	{"node(s) had taint", TaintToleration, byTaint},
	{"node(s) didn't match the requested node name", NodeName, bySelector},
	{"node(s) didn't match Pod's node affinity", NodeAffinity, bySelector},
	{"node(s) didn't match node selector", NodeAffinity, bySelector},
	{"node(s) didn't satisfy plugin", NodeAffinity, bySelector},
	{"node(s) didn't have free ports", NodePorts, byPort},
	{"Too many pods", NodeResourcesFit, byPodCount},
	{"Insufficient ", NodeResourcesFit, byRoom},
	{"node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod", VolumeRestrictions, byUse},
	{"node(s) didn't match PersistentVolume's node affinity", VolumeBinding, byVolume},
	{"node(s) had volume node affinity conflict", VolumeBinding, byVolume},
	{"node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)", VolumeBinding, byVolume},
	{"node(s) didn't find available persistent volumes to bind", VolumeBinding, byBinding},
	{"node(s) had no available volume zone", VolumeZone, byVolume},
	{"node(s) didn't match pod topology spread constraints", PodTopologySpread, bySpread},
	{"node(s) didn't match pod affinity", InterPodAffinity, byAffinity},
	{"node(s) didn't match pod anti-affinity rules", InterPodAffinity, byAffinity},
	{"node(s) didn't satisfy existing pods anti-affinity rules", InterPodAffinity, byAffinity},
}

func filterOf(reason string) (Filter, kind, bool) {
	for _, p := range phrases {
		if strings.HasPrefix(reason, p.start) {
			k := p.kind
			if name, ok := strings.CutPrefix(reason, "Insufficient "); ok && isDevice(corev1.ResourceName(name)) {
				k = byDevice
			}
			return p.from, k, true
		}
	}
	return "", 0, false
}

// names reports whether the scheduler gave this reason for any node.
func (w words) names(reason string) bool { return w.counts[reason] > 0 }

// refuted reports whether nodes as they are now contradict the words: they were said
// before a node came, was uncordoned, labelled or freed of a taint, and the scheduler
// will say something else when it tries again. Filters that look at other pods are not
// held against the words: a pod may have come between.
func (w words) refuted(e *Explanation) bool {
	if w.nodes >= 0 && w.nodes != len(e.Rows) {
		return true
	}
	for reason, n := range w.counts {
		switch f, _, _ := filterOf(reason); f {
		case NodeUnschedulable, TaintToleration, NodeAffinity, NodeName:
			if n > e.Totals[f] {
				return true
			}
		}
	}
	return false
}
