package config

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A use is one place of a pod spec that takes a ConfigMap or Secret.
type use struct {
	kind      string // ConfigMap or Secret
	name      string
	key       string // empty when all keys are taken
	optional  bool
	container string // whose environment takes it; empty for a volume
	variable  string // the environment variable; empty with envFrom
	volume    string
	path      string // for people: spec.containers[web].env[HOST].valueFrom.configMapKeyRef
	nameAt    string // the field with the name, as a JSON pointer below the pod spec
	keyAt     string // the field with the key
}

func (u use) ref(namespace string) analyzers.Ref {
	return analyzers.Ref{APIVersion: "v1", Kind: u.kind, Namespace: namespace, Name: u.name}
}

// what is how the spec takes the object, as the end of "it does not exist; …".
func (u use) what() string {
	switch {
	case u.volume != "":
		return "volume " + u.volume + " is made of it"
	case u.variable != "":
		return "container " + u.container + " takes " + u.variable + " from it"
	}
	return "container " + u.container + " takes its environment from it"
}

// environment lists what the environment of the containers takes. The kubelet resolves
// it each time a container is created (k8s.io/kubernetes pkg/kubelet/kubelet_pods.go,
// makeEnvironmentVariables).
func environment(spec *corev1.PodSpec) []use {
	var out []use
	each := func(field string, list []corev1.Container) {
		for i, c := range list {
			path, pointer := "spec."+field+"["+c.Name+"]", "/"+field+"/"+strconv.Itoa(i)
			for j, from := range c.EnvFrom {
				at, to := path+".envFrom["+strconv.Itoa(j)+"]", pointer+"/envFrom/"+strconv.Itoa(j)
				if r := from.ConfigMapRef; r != nil {
					out = append(out, use{kind: "ConfigMap", name: r.Name, optional: yes(r.Optional), container: c.Name, path: at + ".configMapRef", nameAt: to + "/configMapRef/name"})
				} else if r := from.SecretRef; r != nil {
					out = append(out, use{kind: "Secret", name: r.Name, optional: yes(r.Optional), container: c.Name, path: at + ".secretRef", nameAt: to + "/secretRef/name"})
				}
			}
			for j, env := range c.Env {
				if env.ValueFrom == nil {
					continue
				}
				at, to := path+".env["+env.Name+"].valueFrom", pointer+"/env/"+strconv.Itoa(j)+"/valueFrom"
				if r := env.ValueFrom.ConfigMapKeyRef; r != nil {
					out = append(out, use{kind: "ConfigMap", name: r.Name, key: r.Key, optional: yes(r.Optional), container: c.Name, variable: env.Name, path: at + ".configMapKeyRef", nameAt: to + "/configMapKeyRef/name", keyAt: to + "/configMapKeyRef/key"})
				} else if r := env.ValueFrom.SecretKeyRef; r != nil {
					out = append(out, use{kind: "Secret", name: r.Name, key: r.Key, optional: yes(r.Optional), container: c.Name, variable: env.Name, path: at + ".secretKeyRef", nameAt: to + "/secretKeyRef/name", keyAt: to + "/secretKeyRef/key"})
				}
			}
		}
	}
	each("initContainers", spec.InitContainers)
	each("containers", spec.Containers)
	return slices.DeleteFunc(out, func(u use) bool { return u.name == "" })
}

// volumes lists what the volumes of a pod are made of, once for the object and once for
// each key that items name. The kubelet mounts only volumes that a container mounts
// (k8s.io/kubernetes pkg/kubelet/volumemanager/populator): another one may name anything.
func volumes(spec *corev1.PodSpec) []use {
	mounted := map[string]bool{}
	for _, c := range cluster.Containers(spec) {
		for _, m := range c.VolumeMounts {
			mounted[m.Name] = true
		}
	}
	var out []use
	add := func(u use, at string, nameField string, items []corev1.KeyToPath) {
		u.nameAt = at + "/" + nameField
		out = append(out, u)
		path := u.path
		for i, item := range items {
			u.key, u.path, u.keyAt = item.Key, path+".items["+strconv.Itoa(i)+"].key", at+"/items/"+strconv.Itoa(i)+"/key"
			out = append(out, u)
		}
	}
	for i, v := range spec.Volumes {
		if !mounted[v.Name] {
			continue
		}
		path, pointer := "spec.volumes["+v.Name+"]", "/volumes/"+strconv.Itoa(i)
		switch {
		case v.ConfigMap != nil:
			add(use{kind: "ConfigMap", name: v.ConfigMap.Name, optional: yes(v.ConfigMap.Optional), volume: v.Name, path: path + ".configMap"}, pointer+"/configMap", "name", v.ConfigMap.Items)
		case v.Secret != nil:
			add(use{kind: "Secret", name: v.Secret.SecretName, optional: yes(v.Secret.Optional), volume: v.Name, path: path + ".secret"}, pointer+"/secret", "secretName", v.Secret.Items)
		case v.Projected != nil:
			for j, s := range v.Projected.Sources {
				at, to := path+".projected.sources["+strconv.Itoa(j)+"]", pointer+"/projected/sources/"+strconv.Itoa(j)
				if s.ConfigMap != nil {
					add(use{kind: "ConfigMap", name: s.ConfigMap.Name, optional: yes(s.ConfigMap.Optional), volume: v.Name, path: at + ".configMap"}, to+"/configMap", "name", s.ConfigMap.Items)
				}
				if s.Secret != nil {
					add(use{kind: "Secret", name: s.Secret.Name, optional: yes(s.Secret.Optional), volume: v.Name, path: at + ".secret"}, to+"/secret", "name", s.Secret.Items)
				}
			}
		}
	}
	return slices.DeleteFunc(out, func(u use) bool { return u.name == "" })
}

func yes(b *bool) bool { return b != nil && *b }

// field is the last part of the path, which names the value quoted.
func (u use) field() string { return u.path[strings.LastIndexByte(u.path, '.')+1:] }
