package controlplane

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// TooLarge finds objects that are refused because of their size.
var TooLarge = &analyzers.Analyzer{
	Name: "controlplane/too-large",
	Doc: `objects that the API server or etcd refuses because of their size

A refused object is nowhere to be seen: it shows in the log of a program that fails for
it, or in events that a controller keeps writing.`,
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{tooLarge},
	Run:   runTooLarge,
}

// The words are of etcd (go.etcd.io/etcd/api v3rpc/rpctypes/error.go), of
// k8s.io/apimachinery pkg/api/errors/errors.go, NewRequestEntityTooLargeError, and of
// pkg/util/validation/field/errors.go, TooLong, with the limits of annotations and of a
// ConfigMap's or Secret's data; servers before 1.34 said "must have at most".
var sizeWords = []struct{ words, what string }{
	{"etcdserver: request is too large", "an object is larger than etcd takes (1.5 MiB)"},
	{"Request entity too large: limit is", "a request is larger than the API server takes (3 MiB)"},
	{"may not be more than 262144 bytes", "the annotations of an object are larger than 256 KiB"},
	{"must have at most 262144 bytes", "the annotations of an object are larger than 256 KiB"},
	{"may not be more than 1048576 bytes", "the data of a ConfigMap or Secret are larger than 1 MiB"},
	{"must have at most 1048576 bytes", "the data of a ConfigMap or Secret are larger than 1 MiB"},
}

// repeated is how young and how frequent an event must be: one refusal may have been a
// try that somebody has given up.
const (
	repeated      = 15 * time.Minute
	repeatedTimes = 2
)

func runTooLarge(p *analyzers.Pass) error {
	for pod := range cluster.Scoped[*corev1.Pod](p.Snapshot) {
		for _, status := range cluster.ContainerStatuses(pod) {
			if pod.DeletionTimestamp != nil || p.ContainerFault(pod, status) != cluster.CrashFault {
				continue
			}
			if log, ok := p.LastLog(pod, status); ok {
				sizeInLog(p, pod, status.Name, log)
			}
		}
	}
	for ev := range cluster.Scoped[*corev1.Event](p.Snapshot) {
		at := cluster.EventTime(ev)
		if ev.Type != corev1.EventTypeWarning || p.Since(at) > repeated || cluster.EventCount(ev) < repeatedTimes {
			continue
		}
		o := ev.InvolvedObject
		ref := analyzers.Ref{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
		// What applies objects is of other projects, such as Flux; the controllers of
		// Kubernetes itself copy a template whose size was accepted.
		if _, known := cluster.KindFor(ref.GroupKind()); known {
			continue
		}
		if what, ok := sizeIn(ev.Message); ok {
			p.Report(sizeFinding(ref, what, analyzers.Evidence{Source: "Event on " + ref.String(), Path: ev.Reason, Quote: analyzers.Quote(ev.Message), At: at}, p.Kubectl(ref.Namespace, "describe", ref.Short())))
		}
	}
	return nil
}

func sizeInLog(p *analyzers.Pass, pod *corev1.Pod, container string, log cluster.Log) {
	said := log.Lines()
	for _, line := range slices.Backward(said[max(0, len(said)-lastWords):]) {
		if what, ok := sizeIn(line); ok {
			f := sizeFinding(p.Root(pod), what, analyzers.Evidence{Source: fmt.Sprintf("Log of %s container %s", cluster.RefOf(pod), container), Quote: analyzers.Quote(line)}, p.Kubectl(pod.Namespace, "logs", pod.Name, "-c", container, "--tail=30"))
			f.Part, f.Affected = container, []analyzers.Ref{cluster.RefOf(pod)}
			p.Report(f)
			return
		}
	}
}

func sizeIn(text string) (string, bool) {
	for _, w := range sizeWords {
		if strings.Contains(text, w.words) {
			return w.what, true
		}
	}
	return "", false
}

func sizeFinding(subject analyzers.Ref, what string, e analyzers.Evidence, look []string) analyzers.Finding {
	f := analyzers.Finding{
		Code: tooLarge, Subject: subject, Evidence: []analyzers.Evidence{e},
		Summary: "Refused because of its size: " + what,
		Fixes:   []analyzers.Fix{{Why: "See which object it is; then split it, or keep what is large elsewhere", Argv: look}},
	}
	if strings.Contains(what, "annotations") {
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Apply it on the server's side, which keeps no copy in an annotation", Argv: []string{"kubectl", "apply", "--server-side", "-f", "<file>"}})
	}
	return f
}
