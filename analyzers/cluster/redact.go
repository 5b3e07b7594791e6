package cluster

import (
	"encoding/json"
	"reflect"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// redactObject masks secrets in every field of o that holds text of people or programs.
// Names, labels, images, numbers and times stay as they are.
func redactObject(r Redactor, o Object) {
	if r == nil {
		return
	}
	redactMap(r, o.GetAnnotations())
	switch o := o.(type) {
	case *corev1.Pod:
		redactPodSpec(r, &o.Spec)
	case *corev1.ConfigMap:
		redactMap(r, o.Data)
	case *corev1.Event:
		o.Message = r.Text(o.Message)
	case *appsv1.ControllerRevision:
		redactRevision(r, o)
	case *corev1.PersistentVolume:
		redactList(r, o.Spec.MountOptions)
		if o.Spec.CSI != nil {
			redactMap(r, o.Spec.CSI.VolumeAttributes)
		}
		if o.Spec.FlexVolume != nil {
			redactMap(r, o.Spec.FlexVolume.Options)
		}
	case *storagev1.StorageClass:
		redactList(r, o.MountOptions)
		redactMap(r, o.Parameters)
	case *admissionv1.ValidatingWebhookConfiguration:
		for i := range o.Webhooks {
			redactURL(r, o.Webhooks[i].ClientConfig.URL)
		}
	case *admissionv1.MutatingWebhookConfiguration:
		for i := range o.Webhooks {
			redactURL(r, o.Webhooks[i].ClientConfig.URL)
		}
	}
	if status := reflect.ValueOf(o).Elem().FieldByName("Status"); status.IsValid() && status.Kind() == reflect.Struct {
		redactMessages(r, status)
	}
	if u, ok := o.(*unstructured.Unstructured); ok {
		for _, k := range []string{"spec", "status", "data"} {
			if v, ok := u.Object[k]; ok {
				u.Object[k] = redactTree(r, k, v)
			}
		}
	}
	if t, ok := Template(o); ok {
		redactMap(r, t.Annotations)
		redactPodSpec(r, &t.Spec)
	}
}

// redactMessages masks what controllers and plugins say in a status: each field called
// Message, wherever it is.
func redactMessages(r Redactor, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			redactMessages(r, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			redactMessages(r, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			switch {
			case !field.IsExported():
			case field.Name == "Message" && field.Type.Kind() == reflect.String:
				v.Field(i).SetString(r.Text(v.Field(i).String()))
			default:
				redactMessages(r, v.Field(i))
			}
		}
	}
}

// redactTree masks every text in a tree of another project's fields, whatever they mean.
func redactTree(r Redactor, name string, v any) any {
	switch v := v.(type) {
	case string:
		return r.Value(name, v)
	case []any:
		for i := range v {
			v[i] = redactTree(r, name, v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = redactTree(r, k, v[k])
		}
	}
	return v
}

// redactRevision masks the pod template inside a ControllerRevision. Data of another
// form belongs to another controller and is dropped: nothing reads it.
func redactRevision(r Redactor, o *appsv1.ControllerRevision) {
	t := revisionTemplate(o)
	o.Data.Object, o.Data.Raw = nil, nil
	if t == nil {
		return
	}
	redactMap(r, t.Annotations)
	redactPodSpec(r, &t.Spec)
	if raw, err := json.Marshal(map[string]any{"spec": map[string]any{"template": t}}); err == nil {
		o.Data.Raw = raw
	}
}

func redactMap(r Redactor, m map[string]string) {
	for _, k := range sortedKeys(m) {
		if v := r.Value(k, m[k]); v != m[k] {
			m[k] = v
		}
	}
}

func redactList(r Redactor, list []string) {
	for i := range list {
		list[i] = r.Text(list[i])
	}
}

func redactURL(r Redactor, url *string) {
	if url != nil {
		*url = r.Text(*url)
	}
}

func redactPodSpec(r Redactor, spec *corev1.PodSpec) {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			c := &list[i]
			c.Command, c.Args = redactCommand(r, c.Command, c.Args)
			for j := range c.Env {
				c.Env[j].Value = r.Value(c.Env[j].Name, c.Env[j].Value)
			}
			redactProbe(r, c.LivenessProbe)
			redactProbe(r, c.ReadinessProbe)
			redactProbe(r, c.StartupProbe)
			if c.Lifecycle != nil {
				redactHook(r, c.Lifecycle.PostStart)
				redactHook(r, c.Lifecycle.PreStop)
			}
		}
	}
	for i := range spec.Volumes {
		if v := &spec.Volumes[i]; v.CSI != nil {
			redactMap(r, v.CSI.VolumeAttributes)
		} else if v.FlexVolume != nil {
			redactMap(r, v.FlexVolume.Options)
		}
	}
	for i := range spec.EphemeralContainers {
		c := &spec.EphemeralContainers[i].EphemeralContainerCommon
		c.Command, c.Args = redactCommand(r, c.Command, c.Args)
		for j := range c.Env {
			c.Env[j].Value = r.Value(c.Env[j].Name, c.Env[j].Value)
		}
	}
}

// redactCommand masks command and arguments as the one line that they are: what a flag
// such as -p means depends on the program.
func redactCommand(r Redactor, command, args []string) (c, a []string) {
	line := append(slices.Clone(command), args...)
	masked := r.Args(line)
	if len(masked) != len(line) || slices.Equal(masked, line) {
		return command, args
	}
	return masked[:len(command):len(command)], masked[len(command):]
}

func redactProbe(r Redactor, p *corev1.Probe) {
	if p == nil {
		return
	}
	if p.Exec != nil {
		p.Exec.Command = r.Args(p.Exec.Command)
	}
	if p.HTTPGet != nil {
		redactHTTP(r, p.HTTPGet)
	}
}

func redactHook(r Redactor, h *corev1.LifecycleHandler) {
	if h == nil {
		return
	}
	if h.Exec != nil {
		h.Exec.Command = r.Args(h.Exec.Command)
	}
	if h.HTTPGet != nil {
		redactHTTP(r, h.HTTPGet)
	}
}

func redactHTTP(r Redactor, g *corev1.HTTPGetAction) {
	g.Path = r.Text(g.Path)
	for i := range g.HTTPHeaders {
		g.HTTPHeaders[i].Value = r.Value(g.HTTPHeaders[i].Name, g.HTTPHeaders[i].Value)
	}
}

func redactLog(r Redactor, l Log) Log {
	if r != nil {
		l.Text = r.Text(l.Text)
	}
	return l
}
