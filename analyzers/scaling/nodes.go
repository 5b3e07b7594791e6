package scaling

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// statusMap is where the cluster autoscaler writes what it sees, as YAML since 1.30
// (kubernetes/autoscaler cluster-autoscaler/clusterstate/api/types.go).
var statusMap = analyzers.Ref{APIVersion: "v1", Kind: "ConfigMap", Namespace: "kube-system", Name: "cluster-autoscaler-status"}

// autoscalerStatus are the fields of it that matter here.
type autoscalerStatus struct {
	AutoscalerStatus string      `json:"autoscalerStatus"`
	NodeGroups       []nodeGroup `json:"nodeGroups"`
}

type nodeGroup struct {
	Name   string `json:"name"`
	Health struct {
		Status              string `json:"status"`
		CloudProviderTarget int    `json:"cloudProviderTarget"`
		MinSize             int    `json:"minSize"`
		MaxSize             int    `json:"maxSize"`
	} `json:"health"`
	ScaleUp struct {
		Status      string `json:"status"`
		BackoffInfo struct {
			ErrorCode    string `json:"errorCode"`
			ErrorMessage string `json:"errorMessage"`
		} `json:"backoffInfo"`
	} `json:"scaleUp"`
}

// full reports whether a group has as many nodes as it may have.
func (g nodeGroup) full() bool {
	return g.Health.MaxSize > 0 && g.Health.CloudProviderTarget >= g.Health.MaxSize
}

func (g nodeGroup) backoff() bool { return g.ScaleUp.Status == "Backoff" }

// short leaves out what a cloud puts before the name of a group.
func (g nodeGroup) short() string { return g.Name[strings.LastIndexByte(g.Name, '/')+1:] }

// nodeGroupsOf are the groups that the cluster autoscaler knows. A status of the form
// before 1.30 is text and tells nothing here.
func nodeGroupsOf(s *cluster.Snapshot) []nodeGroup {
	return cluster.Derive(s, "scaling.nodegroups", func() []nodeGroup {
		cm, ok := cluster.Find[*corev1.ConfigMap](s, statusMap.Namespace, statusMap.Name)
		if !ok {
			return nil
		}
		var st autoscalerStatus
		if yaml.Unmarshal([]byte(cm.Data["status"]), &st) != nil {
			return nil
		}
		return st.NodeGroups
	})
}

// Reasons for which a node group is passed over, as the cluster autoscaler counts them
// (kubernetes/autoscaler cluster-autoscaler/core/scaleup/orchestrator/skippedreasons.go and
// processors/status/eventing_scale_up_processor.go); all others are the scheduler's words
// about a node that the group would add.
const (
	atMaximum  = "max node group size reached"
	inBackoff  = "in backoff after failed scale-up"
	notReady   = "not ready for scale-up"
	totalNodes = "max total nodes in cluster reached"
)

var (
	scaleUpWords = regexp.MustCompile(`pod didn't trigger scale-up(?: \(it wouldn't fit if a new node is added\))?: ?(.*)$`)
	countWords   = regexp.MustCompile(`(?:^|, )(\d+) `)
)

// skipped reads "1 max node group size reached, 2 node(s) didn't match Pod's node affinity/selector".
func skipped(message string) (reasons []string, ok bool) {
	m := scaleUpWords.FindStringSubmatch(message)
	if m == nil {
		return nil, false
	}
	at := countWords.FindAllStringSubmatchIndex(m[1], -1)
	if len(at) == 0 || at[0][0] != 0 {
		if text := strings.TrimSpace(m[1]); text != "" {
			reasons = append(reasons, text)
		}
		return reasons, true
	}
	for i, x := range at {
		end := len(m[1])
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		reasons = append(reasons, strings.TrimSpace(m[1][x[0]:end]))
	}
	for i := range reasons {
		reasons[i] = strings.TrimPrefix(reasons[i], ", ")
	}
	slices.Sort(reasons) // a map's order there
	return reasons, true
}

// counted takes "2 in backoff after failed scale-up" apart.
func counted(reason string) (n int, words string) {
	first, rest, ok := strings.Cut(reason, " ")
	n, err := strconv.Atoi(first)
	if !ok || err != nil {
		return 0, reason
	}
	return n, rest
}

// pending returns the pod's time without a node, and whether it waits for one.
func pending(s *cluster.Snapshot, pod *corev1.Pod) (time.Duration, bool) {
	c := cluster.PodCondition(pod, corev1.PodScheduled)
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || cluster.PodFinished(pod) || c == nil ||
		c.Status != corev1.ConditionFalse || c.Reason != corev1.PodReasonUnschedulable {
		return 0, false
	}
	return s.Since(c.LastTransitionTime.Time), true
}

// groupProof quotes what the status says of a group.
func groupProof(g nodeGroup) analyzers.Evidence {
	quote := fmt.Sprintf("%s: target %d, min %d, max %d", g.short(), g.Health.CloudProviderTarget, g.Health.MinSize, g.Health.MaxSize)
	if g.backoff() {
		quote += ", Backoff " + strings.TrimSpace(g.ScaleUp.BackoffInfo.ErrorCode+" "+g.ScaleUp.BackoffInfo.ErrorMessage)
	}
	return analyzers.Evidence{Source: statusMap.String(), Path: "data.status.nodeGroups", Quote: analyzers.Quote(quote)}
}
