package storage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A complaint is what the kubelet or the attach controller says of a volume that a pod
// still waits for.
type complaint struct {
	pod    *corev1.Pod
	ev     *corev1.Event
	manner manner
	text   string         // without what names pod and directory
	volume *corev1.Volume // of the pod; nil when the text does not say
	pvc    *corev1.PersistentVolumeClaim
	pv     *corev1.PersistentVolume
}

// A manner is how a volume is not had. Each belongs to one check.
type manner int

const (
	ofOthers   manner = iota // made of configuration, or of nothing: other areas report it
	unboundYet               // the claim is not bound or going away
	inUse
	attaching
	unregistered
	network
	pathType
	damaged
	slow
	unmounted // any other words
)

// mountEvents are the reasons of k8s.io/kubernetes pkg/kubelet/events/event.go.
var mountEvents = []string{"FailedMount", "FailedAttachVolume", "FailedMapVolume", "VolumePermissionChangeInProgress"}

// retried is longer than the kubelet leaves between two events about a mount that it still
// tries: 2 min 2 s between tries (k8s.io/kubernetes
// pkg/util/goroutinemap/exponentialbackoff), and 5 min where it writes too many (k8s.io/
// client-go tools/record/events_cache.go). The attach controller says a thing once.
const retried = 15 * time.Minute

// complaints are about the pods in scope that wait for volumes: one a volume, the newest.
func complaints(p *analyzers.Pass) []complaint {
	return cluster.Derive(p.Snapshot, "storage.complaints", func() []complaint {
		var out []complaint
		for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
			if awaits(pod) {
				out = append(out, complaintsOf(p, pod)...)
			}
		}
		return out
	})
}

// of are the complaints of one manner.
func of(p *analyzers.Pass, m manner) []complaint {
	return slices.DeleteFunc(slices.Clone(complaints(p)), func(c complaint) bool { return c.manner != m })
}

// awaits reports whether a pod stands on its node and none of its containers runs: what is
// said of its volumes may then still be so. After the node was started anew the containers
// have run before.
func awaits(pod *corev1.Pod) bool {
	if pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil || cluster.PodFinished(pod) {
		return false
	}
	for _, status := range cluster.ContainerStatuses(pod) {
		if status.State.Running != nil {
			return false
		}
		if w := status.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return false
		}
		if status.State.Terminated != nil || status.LastTerminationState.Terminated != nil {
			c := cluster.PodCondition(pod, corev1.PodReadyToStartContainers)
			if c == nil || c.Status != corev1.ConditionFalse {
				return false
			}
		}
	}
	return true
}

func complaintsOf(p *analyzers.Pass, pod *corev1.Pod) []complaint {
	var out []complaint
	seen := map[string]bool{}
	attached := map[string]bool{}
	for _, ev := range slices.Backward(p.EventsFor(pod)) {
		if ev.Reason == "SuccessfulAttachVolume" {
			attached[subjectOf(ev.Message)] = true
			continue
		}
		if !slices.Contains(mountEvents, ev.Reason) || ev.Reason != "FailedAttachVolume" && p.Since(cluster.EventTime(ev)) > retried {
			continue
		}
		for _, c := range read(p, pod, ev) {
			key := ""
			if c.volume != nil {
				key = c.volume.Name
			}
			if !seen[key] && !(ev.Reason == "FailedAttachVolume" && attached[subjectOf(ev.Message)]) {
				seen[key] = true
				out = append(out, c)
			}
		}
	}
	// That some volumes are late says less than why one of them is.
	if slices.ContainsFunc(out, func(c complaint) bool { return c.manner != slow }) {
		out = slices.DeleteFunc(out, func(c complaint) bool { return c.manner == slow })
	}
	return out
}

var (
	// The name of a volume is the PersistentVolume's, or the pod's own for one that is no
	// claim (k8s.io/kubernetes pkg/volume/util/operationexecutor/operation_executor.go,
	// generateVolumeMsg: "<prefix> for volume %q <detail>: <err>").
	forVolume = regexp.MustCompile(`^[\w .-]+? for volume "([^"]*)" ?:? ?`)
	// pkg/kubelet/volumemanager/volume_manager.go, WaitForAttachAndMount.
	unmountedList = regexp.MustCompile(`unmounted volumes=\[([^\]]*)\]`)
	unreadList    = regexp.MustCompile(`failed to process volumes=\[([^\]]*)\]: (.*)`)
)

func subjectOf(message string) string {
	if m := forVolume.FindStringSubmatch(message); m != nil {
		return m[1]
	}
	return ""
}

// read takes an event apart. One about a list of volumes is about each of them.
func read(p *analyzers.Pass, pod *corev1.Pod, ev *corev1.Event) []complaint {
	base := complaint{pod: pod, ev: ev, text: ev.Message}
	var names []string
	switch {
	case ev.Reason == "VolumePermissionChangeInProgress":
		base.manner = slow
		return []complaint{base}
	case subjectOf(ev.Message) != "":
		names = []string{subjectOf(ev.Message)}
		base.text = forVolume.ReplaceAllString(ev.Message, "")
	default:
		if m := unreadList.FindStringSubmatch(ev.Message); m != nil && m[1] != "" {
			names, base.text = strings.Fields(m[1]), m[2]
		} else if m := unmountedList.FindStringSubmatch(ev.Message); m != nil {
			base.manner = slow
			return []complaint{base}
		}
	}
	var out []complaint
	for _, name := range names {
		c := base
		c.find(p, name)
		c.classify()
		c.text = clean(c.text, pod)
		out = append(out, c)
	}
	return out
}

// find looks up the volume that a name stands for.
func (c *complaint) find(p *analyzers.Pass, name string) {
	for i := range c.pod.Spec.Volumes {
		v := &c.pod.Spec.Volumes[i]
		claim := claimOf(c.pod, v)
		if claim == "" {
			if v.Name == name {
				c.volume = v
				return
			}
			continue
		}
		pvc, ok := cluster.Find[*corev1.PersistentVolumeClaim](p.Snapshot, c.pod.Namespace, claim)
		if v.Name == name || ok && pvc.Spec.VolumeName == name {
			c.volume = v
			if ok {
				c.pvc = pvc
				c.pv, _ = cluster.Find[*corev1.PersistentVolume](p.Snapshot, "", pvc.Spec.VolumeName)
			}
			return
		}
	}
}

var (
	// k8s.io/kubernetes pkg/controller/volume/attachdetach/reconciler/reconciler.go: until
	// 1.36 "Multi-Attach error for volume …", since then "Waiting for detach for volume …".
	heldElsewhere = regexp.MustCompile(`^(?:Multi-Attach error|Waiting for detach) for volume`)
	// pkg/volume/csi/csi_client.go.
	driverUnknown = regexp.MustCompile(`driver name (\S+) not found in the list of registered CSI drivers`)
	// pkg/volume/hostpath/host_path.go, typeMatchedOrError.
	wrongType = regexp.MustCompile(`hostPath type check failed[,:] (.+?) is not an? ([a-z ]+?), (.*)`)
	// nfs-utils, cifs-utils and util-linux, as mount prints them.
	networkWords = regexp.MustCompile(`mount\.(?:nfs4?|cifs)|mount error\(\d+\)|filesystem type '?"?(?:nfs4?|cifs)\b|Mounting arguments: .*-t (?:nfs4?|cifs) `)
	// util-linux mount(8), and k8s.io/mount-utils mount_linux.go, checkAndRepairFileSystem.
	damageWords = regexp.MustCompile(`'fsck' found errors|wrong fs type, bad option, bad superblock on /dev/|can't read superblock|[Ss]tructure needs cleaning|[Ii]nput/output error|bad magic number in super-?block`)
	// pkg/kubelet/volumemanager/populator/desired_state_of_world_populator.go.
	claimWords = regexp.MustCompile(`PVC is not bound|PVC is being deleted|failed to fetch PVC|persistentvolumeclaim`)
	slowWords  = regexp.MustCompile(`code = DeadlineExceeded|context deadline exceeded$|timed out waiting for the condition$`)
)

func (c *complaint) classify() {
	switch text := c.ev.Message; {
	case heldElsewhere.MatchString(text):
		c.manner = inUse
	case c.ev.Reason == "FailedAttachVolume":
		c.manner = attaching
	case claimWords.MatchString(text):
		c.manner = unboundYet
	case driverUnknown.MatchString(text):
		c.manner = unregistered
	case wrongType.MatchString(text):
		c.manner = pathType
	case c.isNetwork() && !slowWords.MatchString(text), networkWords.MatchString(text):
		c.manner = network
	case damageWords.MatchString(text):
		c.manner = damaged
	case c.volume == nil || c.made():
		c.manner = ofOthers
	case slowWords.MatchString(text):
		c.manner = slow
	default:
		c.manner = unmounted
	}
}

// made reports whether a volume is made from objects of the cluster: the config area tells
// what it lacks.
func (c *complaint) made() bool {
	v := c.volume
	return v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil || v.EmptyDir != nil || v.Image != nil
}

func (c *complaint) isNetwork() bool {
	return c.volume != nil && c.volume.NFS != nil || c.pv != nil && c.pv.Spec.NFS != nil
}

var (
	podDir   = regexp.MustCompile(`(?:/[\w.~-]+)*/(?:pods/[0-9a-f-]{36}|plugins)/[\w.~/@-]+`)
	podUID   = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	mountCmd = regexp.MustCompile(`(?s)mount failed: exit status (\d+)\s*Mounting command: .*?\nMounting arguments: .*?\nOutput: (?:mount: (?:…: )?)?`)
	dmesg    = regexp.MustCompile(`(?s)\s*dmesg\(1\) may have more information.*`)
	csiFrame = regexp.MustCompile(`kubernetes\.io/csi: (?:[\w.]+ failed (?:to [\w ]+)?: ?|[\w.]+ failed: )?`)
)

// clean takes out of a message what differs from pod to pod, and the mount command.
func clean(text string, pod *corev1.Pod) string {
	_, text = rpc(text)
	text = podDir.ReplaceAllString(text, "…")
	text = mountCmd.ReplaceAllString(text, "")
	text = dmesg.ReplaceAllString(text, "")
	text = csiFrame.ReplaceAllString(text, "")
	text = podUID.ReplaceAllString(text, "…")
	return strings.TrimSpace(strings.ReplaceAll(text, pod.Name, "…"))
}

// name is what the volume is to a person: its claim, or the volume of the pod.
func (c complaint) name() string {
	switch {
	case c.volume == nil:
		return "A volume"
	case c.volume.PersistentVolumeClaim != nil:
		return "Volume of claim " + c.volume.PersistentVolumeClaim.ClaimName
	}
	return "Volume " + c.volume.Name
}

// finding is about the claim, or about the workload when it names the volume itself.
func (c complaint) finding(p *analyzers.Pass, code analyzers.Code, format string, args ...any) analyzers.Finding {
	f := analyzers.Finding{
		Code: code, Subject: p.Root(c.pod), Affected: []analyzers.Ref{cluster.RefOf(c.pod)},
		Summary:  analyzers.Line(fmt.Sprintf(format, args...), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{eventOn(c.pod, c.ev), {Source: cluster.RefOf(c.pod).String(), Path: "spec.nodeName", Quote: "nodeName: " + c.pod.Spec.NodeName}},
	}
	if c.volume != nil {
		f.Part = c.volume.Name
		if claim := c.volume.PersistentVolumeClaim; claim != nil {
			f.Subject, f.Part = claimRef(c.pod.Namespace, claim.ClaimName), ""
		}
	}
	return f
}

// waited is how long the pod has been on its node.
func waited(p *analyzers.Pass, pod *corev1.Pod) time.Duration {
	since := pod.CreationTimestamp.Time
	if c := cluster.PodCondition(pod, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionTrue && c.LastTransitionTime.After(since) {
		since = c.LastTransitionTime.Time
	}
	return p.Since(since)
}
