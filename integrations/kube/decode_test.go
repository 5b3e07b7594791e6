package kube

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubefathom/fathom/analyzers/cluster"
	"github.com/kubefathom/fathom/integrations/kube/kubetest"
)

// richPod has what pods of one workload share and what they do not.
func richPod(i int) *corev1.Pod {
	p := podNamed("shop", fmt.Sprintf("web-%d", i))
	token := fmt.Sprintf("kube-api-access-%05d", i)
	p.ManagedFields = nil
	p.Labels = map[string]string{"app": "web"}
	p.Annotations = map[string]string{"note": "token=abc"}
	p.OwnerReferences = controlledBy("ReplicaSet", "shop", "web-1")
	p.Spec.NodeSelector = map[string]string{"disk": "ssd"}
	p.Spec.Tolerations = []corev1.Toleration{{Key: "a", Operator: corev1.TolerationOpExists}}
	p.Spec.Hostname = fmt.Sprintf("web-%d", i)
	p.Spec.Volumes = []corev1.Volume{{Name: token, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}, {Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	c := &p.Spec.Containers[0]
	c.Args = []string{"--password=" + strings.Repeat("x", i%2)}
	c.Env = []corev1.EnvVar{{Name: "DB_PASSWORD", Value: "abc"}}
	c.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("100m")}
	c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/?key=abc"}}}
	c.VolumeMounts = []corev1.VolumeMount{{Name: token, MountPath: "/var/run/secrets"}, {Name: "tmp", MountPath: "/tmp"}}
	return p
}

// Shared parts look the same as parts of their own, before masking and after it.
func TestSharing(t *testing.T) {
	var objects []runtime.Object
	for i := range 20 {
		objects = append(objects, richPod(i), &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("rs-%d", i)}, Spec: appsv1.ReplicaSetSpec{
			Template: corev1.PodTemplateSpec{Spec: richPod(0).Spec}}})
	}
	for name, r := range map[string]cluster.Redactor{"plain": nil, "masked": stars{}} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(kubetest.NewServer(t, objects...))
			opts.Redactor = r
			got, _, err := Collect(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			b := cluster.NewBuilder(got.Info())
			b.Redactor = r
			for _, o := range objects {
				b.Add(o.DeepCopyObject().(cluster.Object))
			}
			want := b.Build()
			for _, kind := range []string{"pods", "replicasets"} {
				gk := kindOf(t, kind).GroupKind()
				if diff := cmp.Diff(asJSON(t, want.Objects(gk)), asJSON(t, got.Objects(gk))); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			}
			pods := got.Objects(cluster.Pods)
			first, third := pods[0].(*corev1.Pod), pods[2].(*corev1.Pod)
			if &first.Spec.Containers[0].Env[0] != &third.Spec.Containers[0].Env[0] {
				t.Error("the environment is not shared")
			}
			if &first.Spec.Tolerations[0] != &third.Spec.Tolerations[0] {
				t.Error("the tolerations are not shared")
			}
		})
	}
}

// stars is a Redactor that is idempotent, as Options asks.
type stars struct{}

func (stars) Text(s string) string         { return strings.ReplaceAll(s, "abc", "***") }
func (stars) Value(_, value string) string { return stars{}.Text(value) }
func (stars) Args(args []string) []string  { return args }

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func FuzzDecodePage(f *testing.F) {
	pods := kindOfSeed("pods")
	list := corev1.PodList{Items: []corev1.Pod{*richPod(1)}}
	raw, err := list.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	whole, err := (&runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Raw: raw}).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append([]byte("k8s\x00"), whole...), true)
	f.Add([]byte("k8s\x00"), true)
	f.Add([]byte(`{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"x"},"items":[{"metadata":{"name":"a"}}]}`), false)
	f.Add([]byte(`{"kind":"Status","code":500}`), false)
	f.Fuzz(func(t *testing.T, body []byte, binary bool) {
		media := "application/json"
		if binary {
			media = protobuf
		}
		for _, k := range []cluster.Kind{pods, kindOfSeed("secrets"), kindOfSeed("events")} {
			p, err := decodePage(k, media, body, newSharer())
			if err == nil {
				for _, o := range p.objects {
					if o == nil {
						t.Fatal("a nil object")
					}
				}
			}
		}
		decodeStatus(body)
	})
}

func kindOfSeed(name string) cluster.Kind {
	k, _ := cluster.KindNamed(name)
	return k
}
