package cluster

import (
	"reflect"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const secret = "x hunter2 y"

// What a controller or a plugin says in a status may hold anything: no message of any kind
// gets through unmasked.
func TestMessagesOfAllKindsAreMasked(t *testing.T) {
	messages := 0
	for _, k := range Kinds() {
		o := k.New()
		if u, ok := o.(*unstructured.Unstructured); ok {
			u.Object["status"] = map[string]any{"conditions": []any{map[string]any{"message": secret}}, "note": secret}
			u.Object["spec"] = map[string]any{"url": secret}
			messages++
		} else if status := reflect.ValueOf(o).Elem().FieldByName("Status"); status.IsValid() {
			messages += fillMessages(status, 6)
		}
		o.SetName("x")
		b := NewBuilder(Info{CapturedAt: t0})
		b.Redactor = starring{}
		b.Add(o)
		if text := gunzip(t, write(t, b.Build())); strings.Contains(text, "hunter2") {
			t.Errorf("%s: not masked: %s", k.Kind, text)
		}
	}
	if messages < 20 {
		t.Errorf("only %d messages were tried", messages)
	}
}

// What a volume is told by its driver's settings may be a password.
func TestVolumeSettingsAreMasked(t *testing.T) {
	url := "https://gate.example.com/" + secret
	settings := func() map[string]string { return map[string]string{"password": secret} }
	b := NewBuilder(Info{CapturedAt: t0})
	b.Redactor = starring{}
	b.Add(
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "csi"}, Spec: corev1.PersistentVolumeSpec{
			MountOptions:           []string{secret},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{VolumeAttributes: settings()}},
		}},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "flex"}, Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: corev1.PersistentVolumeSource{FlexVolume: &corev1.FlexPersistentVolumeSource{Options: settings()}},
		}},
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"}, Parameters: settings(), MountOptions: []string{secret}},
		&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "v"}, Webhooks: []admissionv1.ValidatingWebhook{{ClientConfig: admissionv1.WebhookClientConfig{URL: &url}}}},
		pod("shop", "web", func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{
				{Name: "a", VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{VolumeAttributes: settings()}}},
				{Name: "b", VolumeSource: corev1.VolumeSource{FlexVolume: &corev1.FlexVolumeSource{Options: settings()}}},
			}
		}),
	)
	if text := gunzip(t, write(t, b.Build())); strings.Contains(text, "hunter2") {
		t.Errorf("not masked: %s", text)
	}
}

// fillMessages sets each text called Message below v, through lists and pointers, and
// returns how many there are.
func fillMessages(v reflect.Value, depth int) (n int) {
	if depth == 0 {
		return 0
	}
	switch v.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		if n = fillMessages(fresh.Elem(), depth-1); n > 0 {
			v.Set(fresh)
		}
	case reflect.Slice:
		one := reflect.MakeSlice(v.Type(), 1, 1)
		if n = fillMessages(one.Index(0), depth-1); n > 0 {
			v.Set(one)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Field(i)
			switch {
			case !v.Type().Field(i).IsExported():
			case field.Kind() == reflect.String && v.Type().Field(i).Name == "Message":
				field.SetString(secret)
				n++
			default:
				n += fillMessages(field, depth-1)
			}
		}
	}
	return n
}
