package pods

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubefathom/fathom/analyzers/cluster"
)

// load reads a recording; after is how long after its latest event the Snapshot is taken.
func load(t *testing.T, name string, after time.Duration) *cluster.Snapshot {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "journey", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	build := func(now time.Time) *cluster.Snapshot {
		b := cluster.NewBuilder(cluster.Info{CapturedAt: now})
		for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
			text, err := yaml.YAMLToJSON(doc)
			if err != nil {
				t.Fatal(err)
			}
			o, err := cluster.DecodeObject(text)
			if err != nil {
				t.Fatal(err)
			}
			b.Add(o)
		}
		for _, k := range cluster.Kinds() {
			b.AddAccess(cluster.Access{Group: k.Group, Kind: k.Kind, State: cluster.Complete})
		}
		return b.Build()
	}
	return build(build(time.Time{}).Now().Add(after))
}

func TestJourneyOf(t *testing.T) {
	for _, test := range []struct {
		file   string
		after  time.Duration
		stop   string // empty for a pod that has come to its end
		state  State
		detail string
		also   map[string]string // details of other stages
	}{
		{file: "serving", also: map[string]string{
			Scheduled: "node lab-1", Network: "IP 10.244.", Images: "registry.lab.test/shop/catalog:1.4.2 was on the node",
			Started: "catalog", Probes: "catalog", Traffic: "Service catalog",
		}},
		{file: "done", also: map[string]string{Started: "all containers have ended well", Probes: "the pod has ended", Traffic: "the pod has ended", Volumes: "ConfigMap orders"}},
		{file: "no-service", also: map[string]string{Traffic: "no Service selects the pod"}},
		{file: "unschedulable", stop: Scheduled, state: Blocked, detail: "nodes are available"},
		{file: "gated", stop: Scheduled, state: Blocked, detail: "scheduling gate quota.example.com/admission"},
		{file: "scheduler", stop: Scheduled, state: Current, detail: "waits for batch-scheduler"},
		{file: "scheduler", after: 5 * time.Minute, stop: Scheduled, state: Blocked, detail: "no scheduler has looked at the pod; it asks for batch-scheduler"},
		{file: "refused", stop: Scheduled, state: Blocked, detail: "node lab-1 refused the pod: OutOfcpu: Pod was rejected"},
		{file: "volume", stop: Volumes, state: Blocked, detail: `MountVolume.SetUp failed for volume "tls" : secret "gateway-tls" not found`},
		{file: "sandbox", stop: Network, state: Blocked, detail: "Failed to create pod sandbox: ", also: map[string]string{Volumes: "no volumes"}},
		{file: "image", stop: Images, state: Blocked, detail: "registry.lab.test/shop/web:1.4.22: not found"},
		{file: "pulling", after: time.Minute, stop: Images, state: Current, detail: "pulls registry.lab.test/heavy/image-resizer:1.4.2"},
		{file: "environment", stop: Started, state: Blocked, detail: `container search: CreateContainerConfigError, configmap "search-index" not found`, also: map[string]string{Images: "was on the node"}},
		{file: "init", stop: Started, state: Current, detail: "init container wait-for-db runs for "},
		{file: "crash", stop: Started, state: Blocked, detail: "container orders"},
		{file: "probe", stop: Probes, state: Current, detail: "api: Readiness probe failed: HTTP probe failed with statuscode: 503"},
		{file: "probe", after: time.Minute, stop: Probes, state: Blocked, detail: "api: Readiness probe failed"},
		{file: "gate", stop: Ready, state: Blocked, detail: `corresponding condition of pod readiness gate "target-health.lb.example.com/web" does not exist.`, also: map[string]string{Probes: "web"}},
	} {
		s := load(t, test.file, test.after)
		for pod := range cluster.All[*corev1.Pod](s) {
			j := JourneyOf(s, pod)
			stage, stopped := j.Stopped()
			if stopped != (test.stop != "") || stage.Name != test.stop || stage.State != test.state || !strings.Contains(stage.Detail, test.detail) {
				t.Errorf("%s after %s: stopped at %q, %s: %s", test.file, test.after, stage.Name, stage.State, stage.Detail)
			}
			for name, detail := range test.also {
				if got := j.Stage(name); !strings.Contains(got.Detail, detail) {
					t.Errorf("%s: %s is %s: %q, want %q", test.file, name, got.State, got.Detail, detail)
				}
			}
			checkOrder(t, test.file, j)
		}
	}
}

// checkOrder holds for every journey: all stages, nothing passed behind the one at which
// it stopped.
func checkOrder(t *testing.T, name string, j Journey) {
	t.Helper()
	stopped := false
	for i, stage := range j.Stages {
		if i >= len(stageNames) || stage.Name != stageNames[i] {
			t.Fatalf("%s: stage %d is %q", name, i, stage.Name)
		}
		if stopped && stage.State != Pending {
			t.Errorf("%s: %s is %s behind the stop", name, stage.Name, stage.State)
		}
		stopped = stopped || stage.State == Blocked || stage.State == Current
		if strings.ContainsAny(stage.Detail, "\n\r") {
			t.Errorf("%s: the detail of %s has more than one line", name, stage.Name)
		}
	}
	if len(j.Stages) != len(stageNames) {
		t.Errorf("%s: %d stages", name, len(j.Stages))
	}
}

func TestJourneyOfWorkload(t *testing.T) {
	for _, test := range []struct {
		file, kind, stop string
		state            State
		detail           string
	}{
		{"workload-quota", "Deployment", Admitted, Blocked, `is forbidden: failed quota: team: must specify limits.cpu for: web`},
		{"workload-account", "Deployment", Admitted, Blocked, `error looking up service account rollout-serviceaccount-missing/web-runner`},
		{"workload-asleep", "Deployment", "", "", ""},
		{"workload-image", "Deployment", Images, Blocked, "registry.lab.test/shop/web:1.6.0: not found"},
		{"workload-job", "Job", "", "", ""},
	} {
		s := load(t, test.file, 0)
		found := false
		for _, o := range s.Workloads("") {
			if o.GetObjectKind().GroupVersionKind().Kind != test.kind {
				continue
			}
			found = true
			j := JourneyOfWorkload(s, o)
			stage, _ := j.Stopped()
			if stage.Name != test.stop || stage.State != test.state || !strings.Contains(stage.Detail, test.detail) {
				t.Errorf("%s: stopped at %q, %s: %s", test.file, stage.Name, stage.State, stage.Detail)
			}
			checkOrder(t, test.file, j)
		}
		if !found {
			t.Errorf("%s holds no %s", test.file, test.kind)
		}
	}
}

func TestJourneyOfBareObjects(t *testing.T) {
	s := cluster.NewBuilder(cluster.Info{}).Build()
	checkOrder(t, "empty pod", JourneyOf(s, &corev1.Pod{}))
	for _, k := range cluster.Kinds() {
		checkOrder(t, k.Kind, JourneyOfWorkload(s, k.New()))
	}
}

func TestJourneyAsJSON(t *testing.T) {
	data, err := json.Marshal(Journey{Subject: cluster.Ref{Kind: "Pod", Namespace: "shop", Name: "web"}, Stages: []Stage{
		{Name: Scheduled, State: Passed, Took: 1500 * time.Millisecond, Detail: "node a"}, {Name: Volumes, State: Pending},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"subject":{"kind":"Pod","namespace":"shop","name":"web"},"stages":[{"name":"scheduled","state":"passed","took":"1.5s","detail":"node a"},{"name":"volumes","state":"pending"}]}`
	if string(data) != want {
		t.Errorf("got %s\nwant %s", data, want)
	}
}
