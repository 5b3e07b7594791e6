package kube

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/integrations/kube/kubetest"
)

func TestLogs(t *testing.T) {
	objects, pods := deployed("shop", "web", 1, 5)
	for i, p := range pods {
		crashing(p, int32(i))
	}
	server := kubetest.NewServer(t, append(objects, namespaceNamed("shop"))...)
	for _, p := range pods {
		server.SetLog("shop", p.Name, "app", true, "starting\npanic: "+p.Name+"\n")
	}
	opts := optionsFor(server)
	opts.Redactor = upper{}
	s, stats, err := Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	logs := s.Logs()
	if len(logs) != 2 || stats.Logs.Requests != 2 || stats.Logs.Read != 2 || stats.Logs.Owners != 1 {
		t.Fatalf("%+v %+v", logs, stats.Logs)
	}
	for i, pod := range []string{"web-1-3", "web-1-4"} { // those with the most restarts
		if l := logs[i]; l.Pod != pod || !l.Previous || l.Why != "" || l.Truncated || l.Text != strings.ToUpper("starting\npanic: "+pod+"\n") {
			t.Errorf("%+v", l)
		}
	}
	opts.NoLogs = true
	if s, _, err = Collect(t.Context(), opts); err != nil || len(s.Logs()) != 0 {
		t.Errorf("%v, %d logs", err, len(s.Logs()))
	}
}

// upper is a Redactor whose work is easily seen.
type upper struct{}

func (upper) Text(s string) string         { return strings.ToUpper(s) }
func (upper) Value(_, value string) string { return strings.ToUpper(value) }
func (upper) Args(args []string) []string  { return args }
func failing(n int) (out []runtime.Object) { return failingOn(n, "node-1") }
func failingOn(n int, node string) (out []runtime.Object) {
	for i := range n {
		p := crashing(podNamed("shop", fmt.Sprintf("%s-%03d", node, i)), 3)
		p.Spec.NodeName = node
		out = append(out, p)
	}
	return out
}

// What stands in the way of one log and of others too is not tried again for those.
func TestLogFailures(t *testing.T) {
	all := kubetest.Logs("")
	for name, tc := range map[string]struct {
		fault *kubetest.Fault
		why   string
		most  int
	}{
		"forbidden": {kubetest.Forbidden(all), "kubectl auth can-i get pods --subresource log -n shop --kubeconfig", 2 * parallel},
		"pod gone":  {kubetest.NotServed(all), "the pod is gone", 40},
		"node gone": {kubetest.Hang(all), "node node-1 does not answer", 2 * parallel},
		"kubelet":   {kubetest.Answer(all, 200, "text/plain", "unable to retrieve container logs for containerd://0123"), "unable to retrieve container logs", 40},
		"bad":       {kubetest.Answer(all, 400, "application/json", `{"kind":"Status","code":400,"message":"container \"app\" in pod \"x\" is\u001b[31m waiting"}`), `container "app" in pod "x" is [31m waiting`, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kubetest.NewServer(t, append(failing(40), namespaceNamed("shop"))...)
			server.Fail(tc.fault)
			opts := optionsFor(server)
			opts.Flags.RequestTimeout = "1s"
			s, stats, err := Collect(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Logs()) != 40 || stats.Logs.Failed != 40 || stats.Logs.Read != 0 || stats.Logs.Requests > tc.most {
				t.Errorf("%d logs, %+v", len(s.Logs()), stats.Logs)
			}
			for _, l := range s.Logs() {
				if !strings.Contains(l.Why, tc.why) || l.Text != "" {
					t.Fatalf("%+v", l)
				}
			}
		})
	}
}

func TestLogOwnersAreBounded(t *testing.T) {
	server := kubetest.NewServer(t, append(failing(maxLogOwners+7), namespaceNamed("shop"))...)
	for i := range maxLogOwners + 7 {
		server.SetLog("shop", fmt.Sprintf("node-1-%03d", i), "app", true, "panic\n")
	}
	s, stats, err := Collect(t.Context(), optionsFor(server))
	if err != nil {
		t.Fatal(err)
	}
	if stats.Logs.Requests != maxLogOwners || stats.Logs.Skipped != 7 || len(s.Logs()) != maxLogOwners+7 {
		t.Errorf("%+v", stats.Logs)
	}
	if l := s.Logs()[maxLogOwners]; l.Pod != "node-1-100" || l.Why != "only the logs of the 100 worst workloads are read" {
		t.Errorf("%+v", l)
	}
}

func TestTail(t *testing.T) {
	long := strings.Repeat("x", 20<<10) + "\n"
	for name, tc := range map[string]struct {
		text, want string
		cut        bool
		why        string
	}{
		"empty":      {"", "", false, ""},
		"short":      {"a\nb\n", "a\nb\n", false, ""},
		"full":       {strings.Repeat("a\n", logLines), strings.Repeat("a\n", logLines), true, ""},
		"long lines": {long + long + long + "panic: the end\n", long + long + long + "panic: the end\n", false, ""},
		"too long":   {long + long + long + long + "panic: the end\n", long + long + long + "panic: the end\n", true, ""},
		"one line":   {strings.Repeat("y", maxLog+10), strings.Repeat("y", maxLog), true, ""},
		"not UTF-8":  {"a\xffb\n", "a\uFFFDb\n", false, ""},
		"rotated":    {"failed to try resolving symlinks in path \"/var/log/pods/x\": lstat: no such file", "", false, "failed to try"},
		"quoting it": {"failed to try resolving symlinks in path /x\nand went on\n", "failed to try resolving symlinks in path /x\nand went on\n", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, cut, why := tail(tc.text, logLines)
			if got != tc.want || cut != tc.cut || !strings.HasPrefix(why, tc.why) || (why == "") != (tc.why == "") {
				t.Errorf("%d bytes, cut %v, why %q; want %d bytes, cut %v", len(got), cut, why, len(tc.want), tc.cut)
			}
		})
	}
}

func TestPodLogs(t *testing.T) {
	init := func(p *corev1.Pod, ago time.Duration) *corev1.Pod {
		p.Spec.InitContainers = []corev1.Container{{Name: "migrate"}}
		p.Status.Phase = corev1.PodPending
		p.Status.Conditions[0].Status = corev1.ConditionFalse
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "migrate", State: running(ago)}}
		p.Status.ContainerStatuses[0] = corev1.ContainerStatus{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}}
		return p
	}
	status := func(st corev1.ContainerStatus) *corev1.Pod {
		p := podNamed("shop", "p")
		st.Name = "app"
		p.Status.ContainerStatuses[0] = st
		return p
	}
	waiting := func(reason string, last corev1.ContainerState) *corev1.Pod {
		return status(corev1.ContainerStatus{RestartCount: 3, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}, LastTerminationState: last})
	}
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want string // container/run:rank, in order
	}{
		"well":                       {podNamed("shop", "p"), ""},
		"crash loop":                 {waiting("CrashLoopBackOff", ended(time.Minute, 1)), "app/previous:0"},
		"crash loop, no trace":       {waiting("CrashLoopBackOff", corev1.ContainerState{}), ""},
		"ended, first time":          {status(corev1.ContainerStatus{State: ended(time.Minute, 1)}), "app/current:0"},
		"ended again":                {status(corev1.ContainerStatus{State: ended(time.Minute, 1), LastTerminationState: ended(time.Hour, 1), RestartCount: 2}), "app/current:0 app/previous:10"},
		"running between crashes":    {status(corev1.ContainerStatus{State: running(time.Minute), LastTerminationState: ended(2*time.Minute, 1), RestartCount: 5}), "app/previous:0 app/current:10"},
		"unready":                    {status(corev1.ContainerStatus{State: running(time.Hour)}), "app/current:1"},
		"unready, restarted":         {status(corev1.ContainerStatus{State: running(time.Hour), LastTerminationState: ended(2*time.Hour, 1), RestartCount: 1}), "app/current:1 app/previous:11"},
		"image":                      {waiting("ImagePullBackOff", corev1.ContainerState{}), ""},
		"config":                     {waiting("CreateContainerConfigError", corev1.ContainerState{}), ""},
		"hook":                       {waiting("PostStartHookError", ended(time.Minute, 137)), "app/previous:4"},
		"creating":                   {waiting("ContainerCreating", corev1.ContainerState{}), ""},
		"restarted a while ago":      {status(corev1.ContainerStatus{Ready: true, State: running(30 * time.Minute), LastTerminationState: ended(31*time.Minute, 1), RestartCount: 1}), "app/previous:3"},
		"restarted long ago":         {status(corev1.ContainerStatus{Ready: true, State: running(3 * time.Hour), LastTerminationState: ended(3*time.Hour, 1), RestartCount: 1}), ""},
		"init container starts":      {init(podNamed("shop", "p"), 10*time.Second), ""},
		"init container for an hour": {init(podNamed("shop", "p"), time.Hour), "migrate/current:2"},
	} {
		t.Run(name, func(t *testing.T) {
			b := cluster.NewBuilder(cluster.Info{CapturedAt: time.Now()})
			b.Add(tc.pod)
			var got []string
			for _, w := range podLogs(b.Build(), tc.pod) {
				run := "current"
				if w.previous {
					run = "previous"
				}
				got = append(got, fmt.Sprintf("%s/%s:%d", w.container, run, w.rank))
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("got %q, want %q", strings.Join(got, " "), tc.want)
			}
		})
	}
	for _, p := range []*corev1.Pod{crashing(podNamed("shop", "p"), 3), crashing(podNamed("shop", "p"), 3)} {
		now := p.Status.ContainerStatuses[0].LastTerminationState.Terminated.FinishedAt
		p.DeletionTimestamp = &now
		b := cluster.NewBuilder(cluster.Info{CapturedAt: time.Now()})
		if got := podLogs(b.Build(), p); got != nil {
			t.Errorf("a pod that is being deleted: %+v", got)
		}
	}
}

// Of a rollout that fails, the new pods are asked, not the old ones that restart more.
func TestNewestRevisionFirst(t *testing.T) {
	before, old := deployed("shop", "web", 7, 2)
	after, fresh := deployed("shop", "web", 8, 2)
	crashing(old[0], 90)
	for _, p := range fresh {
		crashing(p, 1)
	}
	fresh[1].Spec.Containers = append(fresh[1].Spec.Containers, corev1.Container{Name: "proxy"})
	b := cluster.NewBuilder(cluster.Info{CapturedAt: time.Now()})
	for _, o := range append(before, after...) {
		b.Add(o.(cluster.Object))
	}
	wants, owners, skipped := wantedLogs(b.Build())
	if owners != 1 || len(skipped) != 0 || len(wants) != 2 || wants[0].pod.Name != "web-8-0" || wants[1].pod.Name != "web-8-1" {
		t.Errorf("%d owners, %d skipped, %+v", owners, len(skipped), wants)
	}
}

// Four requests at most for one owner, those first that tell most.
func TestLogsPerOwner(t *testing.T) {
	objects, pods := deployed("shop", "web", 1, 3)
	for _, p := range pods {
		p.Status.ContainerStatuses = nil
		for i := range 5 {
			st := corev1.ContainerStatus{Name: fmt.Sprintf("c%d", i), RestartCount: 4, State: running(time.Hour)}
			if i == 4 {
				st.State, st.LastTerminationState = ended(time.Minute, 1), ended(5*time.Minute, 1)
			}
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, st)
		}
	}
	b := cluster.NewBuilder(cluster.Info{CapturedAt: time.Now()})
	for _, o := range objects {
		b.Add(o.(cluster.Object))
	}
	wants, _, _ := wantedLogs(b.Build())
	if len(wants) != maxLogsPerOwner || wants[0].container != "c4" || wants[1].container != "c4" || wants[0].pod == wants[1].pod || wants[2].container != "c0" {
		t.Errorf("%+v", wants)
	}
}
