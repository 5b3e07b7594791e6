package all

import (
	"bytes"
	"flag"
	"math/rand"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/randfill"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/analyzers/diagnose"
)

// words are strings that checks look for, so that random objects get past the first
// condition of many of them, and few names, so that references often meet.
var words = []string{
	"", "a", "b", "c", "app", "web", "http", "x/y:1", "8080", "10.0.0.1", "kubernetes.io/hostname", "topology.kubernetes.io/zone",
	"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
	"CreateContainerError", "RunContainerError", "ContainerCreating", "OOMKilled", "Error", "Completed", "StartError", "Unschedulable",
	"SchedulingGated", "FailedScheduling", "Failed", "BackOff", "Unhealthy", "Killing", "FailedMount", "FailedCreate", "Preempted",
	"ProgressDeadlineExceeded", "Progressing", "ReplicaFailure", "Available", "Always", "Never", "OnFailure", "ExternalName", "LoadBalancer",
	`configmap "a" not found`, `secret "b" not found`, "couldn't find key a in ConfigMap b/c", "Container a failed liveness probe, will be restarted",
	"Readiness probe failed: HTTP probe failed with statuscode: 503", "0/3 nodes are available: 3 Insufficient cpu.",
	`Failed to pull image "x/y:1": not found`, "exceeded quota: a, requested: cpu=1, used: cpu=2, limited: cpu=2",
	"panic: runtime error\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:3", "dial tcp: lookup a on 10.0.0.10:53: no such host",
	"FailedGetResourceMetric", "missing request for cpu in container a of Pod b", "ScalingActive", "ScalingLimited", "TooManyReplicas", "AbleToScale",
	"FailedGetScale", "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached", "Ready", "Unknown", "NodeStatusUnknown", "KubeletNotReady",
	"Kubelet stopped posting node status.", "DiskPressure", "node.kubernetes.io/unreachable", "NoExecute", "Evicted", "The node was low on resource: memory.",
	"FailedCreatePodSandBox", "no IP addresses available in range set", "FailedAttachVolume", "Multi-Attach error for volume \"a\" Volume is already used by pod(s) b",
	"ProvisioningFailed", "FailedBinding", "ExternalProvisioning", "WaitForFirstConsumer", "kubernetes.io/pvc-protection", "Resizing", "Lost", "Released", "Bound", "Pending",
	"BackoffLimitExceeded", "DeadlineExceeded", "NamespaceContentRemaining", "Some resources are remaining: configmaps. has 1 resource instances", "* * * * *", "0 3 31 2 *",
	`pods is forbidden: User "system:serviceaccount:a:b" cannot list resource "pods" in API group "" in the namespace "a"`,
	"system:serviceaccount:a:b", "ServiceAccount", "ClusterRole", "Role", "*", "list", "pods", "kube-system", "kube-dns", "default",
	"/etc/coredns/Corefile:5 - Error during parsing: Unknown directive 'a'", ".:53 {\n forward . /etc/resolv.conf\n}", "lookup a.b on 10.0.0.10:53: read udp: i/o timeout", "a.b.svc.cluster.local",
	"Accepted", "Programmed", "ResolvedRefs", "BackendNotFound", "NoMatchingListenerHostname", "RefNotPermitted", "Gateway", "Service", "nginx", "kubernetes.io/tls",
	"False", "True", "Issuing", "DoesNotExist", "pending", "errored", "Waiting for HTTP-01 challenge propagation: wrong status code '404', expected '200'",
	"Available", "MissingEndpoints", "v1beta1.metrics.k8s.io", "10.0.0.0/8", "0.0.0.0/0", "UDP", "Egress", "Ingress", "53",
	"dial tcp 10.0.0.1:8080: connect: connection refused", "\x1b[31m\x00", "\xff\xfe", "日本語",
}

// revisions are data of a ControllerRevision, good and bad.
var revisions = []string{`null`, `{}`, `{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"x/y:2"}]}}}}`, `{"spec":{"template":null}}`, `[1]`}

// filler makes random objects: any pointer may be nil, any list empty.
func filler(seed int64) *randfill.Filler {
	word := func(c randfill.Continue) string { return words[c.Intn(len(words))] }
	return randfill.NewWithSeed(seed).NilChance(0.4).NumElements(0, 3).MaxDepth(12).Funcs(
		func(s *string, c randfill.Continue) { *s = word(c) },
		func(t *metav1.Time, c randfill.Continue) {
			if !c.Bool() {
				*t = metav1.NewTime(start.Add(time.Duration(c.Intn(7200)-3600) * time.Second))
			}
		},
		func(t *metav1.MicroTime, c randfill.Continue) {
			*t = metav1.NewMicroTime(start.Add(time.Duration(c.Intn(3600)) * time.Second))
		},
		func(q *resource.Quantity, c randfill.Continue) {
			*q = *resource.NewMilliQuantity(c.Int63n(1<<40)-10, resource.DecimalSI)
		},
		func(v *intstr.IntOrString, c randfill.Continue) {
			*v = intstr.FromInt32(int32(c.Intn(70000) - 10))
			if c.Bool() {
				*v = intstr.FromString(word(c))
			}
		},
		func(m *metav1.FieldsV1, _ randfill.Continue) { *m = metav1.FieldsV1{} },
		func(m *[]metav1.ManagedFieldsEntry, _ randfill.Continue) { *m = nil },
		func(n *int32, c randfill.Continue) { *n = int32(c.Intn(300) - 10) },
		func(r *runtime.RawExtension, c randfill.Continue) { r.Raw = []byte(revisions[c.Intn(len(revisions))]) },
	)
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// randomSnapshot holds each kind a few times, with names and owners that often meet.
func randomSnapshot(seed int64) *cluster.Snapshot {
	rnd := rand.New(rand.NewSource(seed))
	f := filler(seed)
	pick := func(list ...string) string { return list[rnd.Intn(len(list))] }
	b := cluster.NewBuilder(cluster.Info{Context: "c", CapturedAt: start})
	for _, k := range cluster.Kinds() {
		for range rnd.Intn(5) {
			o := k.New()
			if u, ok := o.(*unstructured.Unstructured); ok {
				u.Object["spec"], u.Object["status"] = randomTree(rnd, 5), randomTree(rnd, 5)
			} else {
				f.Fill(o)
			}
			o.SetName(pick("a", "b", "c"))
			o.SetUID(types.UID(k.Kind + o.GetName()))
			o.SetNamespace("")
			if k.Namespaced {
				o.SetNamespace(pick("a", "b"))
			}
			if rnd.Intn(2) == 0 {
				yes, owner := true, pick("Deployment", "ReplicaSet", "StatefulSet", "Job", "Node")
				name := pick("a", "b", "c")
				o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "apps/v1", Kind: owner, Name: name, UID: types.UID(owner + name), Controller: &yes}})
			}
			if pod, ok := o.(*corev1.Pod); ok {
				namePod(pod, rnd)
			}
			if ev, ok := o.(*corev1.Event); ok && rnd.Intn(3) > 0 {
				kind := pick("Pod", "Node", "ReplicaSet", "Service", "Deployment")
				name := pick("a", "b", "c")
				ev.InvolvedObject = corev1.ObjectReference{Kind: kind, Namespace: o.GetNamespace(), Name: name, UID: types.UID(kind + name)}
			}
			b.Add(o)
		}
		if rnd.Intn(3) > 0 {
			b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete})
		}
	}
	for _, container := range []string{"a", "b", "c"} {
		b.AddLog(cluster.Log{Namespace: "a", Pod: pick("a", "b"), Container: container, Previous: rnd.Intn(2) == 0, Text: pick(words...) + "\n" + pick(words...)})
	}
	return b.Build()
}

// fields are names that checks read in objects of other projects.
var fields = []string{
	"spec", "status", "conditions", "type", "reason", "message", "name", "namespace", "kind", "group", "lastTransitionTime",
	"parentRefs", "rules", "backendRefs", "listeners", "parents", "secretName", "issuerRef", "targetRef", "service", "state", "authorizations",
}

// randomTree is any JSON value, with field names that often mean something.
func randomTree(rnd *rand.Rand, depth int) any {
	switch n := rnd.Intn(8); {
	case n == 0 || depth == 0:
		return words[rnd.Intn(len(words))]
	case n == 1:
		return int64(rnd.Intn(70000) - 10)
	case n == 2:
		return rnd.Intn(2) == 0
	case n == 3:
		return nil
	case n == 4:
		var out []any
		for range rnd.Intn(4) {
			out = append(out, randomTree(rnd, depth-1))
		}
		return out
	}
	out := map[string]any{}
	for range rnd.Intn(6) {
		out[fields[rnd.Intn(len(fields))]] = randomTree(rnd, depth-1)
	}
	return out
}

// namePod gives containers and their statuses the same few names.
func namePod(pod *corev1.Pod, rnd *rand.Rand) {
	names := []string{"a", "b", "c"}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].Name = names[i%3]
	}
	for i := range pod.Status.ContainerStatuses {
		pod.Status.ContainerStatuses[i].Name = names[i%3]
	}
	if rnd.Intn(2) == 0 {
		pod.DeletionTimestamp = nil
		pod.Status.Phase = corev1.PodPending
	}
}

// checkSeed runs the whole way over one random Snapshot. A panic is the bug it looks
// for, so analyzers run without the net that catches it.
func checkSeed(t *testing.T, seed int64) (objects int) {
	s := randomSnapshot(seed)
	watch := seed%8 == 0 // writing all objects twice takes longer than the checks
	var before []byte
	if watch {
		before = written(t, s)
	}
	var found []analyzers.Finding
	for _, a := range Analyzers {
		if err := a.Run(analyzers.NewPass(a, s, func(f analyzers.Finding) { found = append(found, f) })); err != nil {
			t.Errorf("seed %d: %s: %v", seed, a.Name, err)
		}
	}
	diagnose.Diagnose(s, found)
	if watch && !bytes.Equal(before, written(t, s)) {
		t.Errorf("seed %d: the snapshot was changed", seed)
	}
	return s.Count()
}

func written(t *testing.T, s *cluster.Snapshot) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := cluster.WriteCapture(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var manyObjects = flag.Int("objects", 30_000, "how many random objects TestRandomObjects makes")

// TestRandomObjects is the fixed part of FuzzAnalyzers for every run of the tests;
// make fuzz-long runs it over more.
func TestRandomObjects(t *testing.T) {
	n := 0
	for seed := int64(0); n < *manyObjects && !t.Failed(); seed++ {
		n += checkSeed(t, seed)
	}
	t.Logf("%d objects", n)
}

// FuzzAnalyzers runs all analyzers over random objects; go test -fuzz goes on for as
// long as it is given.
func FuzzAnalyzers(f *testing.F) {
	f.Add(int64(1))
	f.Fuzz(func(t *testing.T, seed int64) { checkSeed(t, seed) })
}
