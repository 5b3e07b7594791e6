package termination

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// PreStop reports preStop hooks that fail at once: they are there to keep a pod serving
// until no more traffic comes.
var PreStop = &analyzers.Analyzer{
	Name: "termination/pre-stop",
	Doc: `preStop hooks that fail at once, so that pods end while they still get traffic

Seen at two pods or more of a workload behind a Service within the last hour. A hook that
fails after a while has done its waiting.`,
	Needs: []schema.GroupKind{cluster.Events, cluster.Services, cluster.ReplicaSets, cluster.Deployments, cluster.StatefulSets, cluster.DaemonSets},
	Emits: []analyzers.Code{requestsDropped},
	Run:   preStop,
}

const (
	// atOnce is how long after "Stopping container" a hook fails that could not be run;
	// events have whole seconds.
	atOnce = 2 * time.Second
	// fewHooks may fail by chance: a node that goes down.
	fewHooks = 2
)

type hookKey struct {
	workload  analyzers.Ref
	container string
}

func preStop(p *analyzers.Pass) error {
	killing := map[string]time.Time{} // by namespace, pod and container
	for ev := range cluster.Scoped[*corev1.Event](p.Snapshot) {
		if ev.Reason == "Killing" && strings.HasPrefix(ev.Message, "Stopping container ") {
			killing[ev.Namespace+"/"+ev.InvolvedObject.Name+" "+ev.InvolvedObject.FieldPath] = cluster.EventTime(ev)
		}
	}
	seen := map[hookKey]int{}
	for ev := range cluster.Scoped[*corev1.Event](p.Snapshot) {
		// k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go:
		// "PreStopHook failed", without the reason.
		if ev.Reason != "FailedPreStopHook" || ev.InvolvedObject.Kind != "Pod" || p.Since(cluster.EventTime(ev)) > fresh {
			continue
		}
		stop, ok := killing[ev.Namespace+"/"+ev.InvolvedObject.Name+" "+ev.InvolvedObject.FieldPath]
		if !ok || cluster.EventTime(ev).Sub(stop) > atOnce {
			continue
		}
		workload, was := workloadOf(p, ev.Namespace, ev.InvolvedObject.Name)
		if workload == nil || !served(p, workload) {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(ev.InvolvedObject.FieldPath, "spec.containers{"), "}")
		hook := hookOf(workload, name)
		if hook == nil || was != nil && text(hookOf(was, name)) != text(hook) {
			continue // it has been changed since
		}
		key := hookKey{cluster.RefOf(workload), name}
		if seen[key]++; seen[key] == fewHooks {
			reportHook(p, workload, name, hook, ev, stop)
		}
	}
	return nil
}

// workloadOf finds the workload of a pod that is gone by its name, and the object that made
// the pod.
func workloadOf(p *analyzers.Pass, namespace, pod string) (workload, owner cluster.Object) {
	i := strings.LastIndexByte(pod, '-')
	if i < 0 {
		return nil, nil
	}
	if rs, ok := cluster.Find[*appsv1.ReplicaSet](p.Snapshot, namespace, pod[:i]); ok {
		return p.RootObject(rs), rs
	}
	if set, ok := cluster.Find[*appsv1.StatefulSet](p.Snapshot, namespace, pod[:i]); ok {
		return set, nil
	}
	if set, ok := cluster.Find[*appsv1.DaemonSet](p.Snapshot, namespace, pod[:i]); ok {
		return set, nil
	}
	if j := strings.LastIndexByte(pod[:i], '-'); j > 0 {
		if d, ok := cluster.Find[*appsv1.Deployment](p.Snapshot, namespace, pod[:j]); ok {
			return d, nil
		}
	}
	return nil, nil
}

func hookOf(o cluster.Object, container string) *corev1.LifecycleHandler {
	t, ok := cluster.Template(o)
	if !ok {
		return nil
	}
	if c, _, ok := cluster.Container(&t.Spec, container); ok && c.Lifecycle != nil {
		return c.Lifecycle.PreStop
	}
	return nil
}

func text(h *corev1.LifecycleHandler) string {
	data, err := json.Marshal(h)
	if err != nil {
		return ""
	}
	return string(data)
}

func served(p *analyzers.Pass, workload cluster.Object) bool {
	t, ok := cluster.Template(workload)
	if !ok {
		return false
	}
	for svc := range cluster.In[*corev1.Service](p.Snapshot, workload.GetNamespace()) {
		if len(svc.Spec.Selector) > 0 && labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(t.Labels)) {
			return true
		}
	}
	return false
}

func reportHook(p *analyzers.Pass, workload cluster.Object, container string, hook *corev1.LifecycleHandler, ev *corev1.Event, stop time.Time) {
	ref := cluster.RefOf(workload)
	what, path := "request", "httpGet"
	if hook.Exec != nil {
		what, path = strings.Join(hook.Exec.Command, " "), "exec.command"
	} else if hook.HTTPGet != nil {
		what = hook.HTTPGet.Path
	}
	f := analyzers.Finding{
		Code: requestsDropped, Subject: ref, Part: container,
		Summary: analyzers.Line(fmt.Sprintf("preStop hook of container %s fails at once, so its pods end while they still get requests: %s", container, what), analyzers.MaxSummary),
		Evidence: []analyzers.Evidence{
			{Source: "Event on Pod " + ev.Namespace + "/" + ev.InvolvedObject.Name, Path: ev.Reason, Quote: fmt.Sprintf("%s, %s after it was stopped", ev.Message, cluster.EventTime(ev).Sub(stop)), At: cluster.EventTime(ev)},
			{Source: ref.String(), Path: "spec.template.spec.containers[" + container + "].lifecycle.preStop." + path, Quote: analyzers.QuoteHead(what)},
		},
	}
	if cluster.RollsOut(ref) {
		f.Fixes = []analyzers.Fix{{
			// preStop.sleep needs neither a shell nor a program in the image (Kubernetes 1.30).
			Why: "Let the kubelet itself wait, which needs no program in the image",
			Argv: p.Kubectl(ref.Namespace, "patch", ref.Short(), "--type", "strategic", "-p",
				fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":%q,"lifecycle":{"preStop":{"exec":null,"httpGet":null,"sleep":{"seconds":10}}}}]}}}}`, container)),
		}}
	}
	p.Report(f)
}
