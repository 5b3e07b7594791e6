package config

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// reportEmptySubPath reports a subPath that is no file of its ConfigMap. The kubelet
// makes a directory of that name and mounts it (k8s.io/kubernetes
// pkg/kubelet/kubelet_pods.go, makeMounts). A container that is ready got the file before
// the key was taken away, or does not read it: the next pod is at risk.
func reportEmptySubPath(p *analyzers.Pass, pod *corev1.Pod, status corev1.ContainerStatus) {
	spec, _, ok := cluster.Container(&pod.Spec, status.Name)
	if !ok {
		return
	}
	s := start{pod: pod, status: status, spec: spec, path: statusPath(pod, status.Name)}
	fault := p.ContainerFault(pod, status)
	if fault == cluster.StartFault {
		s, _ = newStart(pod, status)
	}
	for _, m := range spec.VolumeMounts {
		// What subPathExpr comes to is known to the kubelet alone.
		if m.SubPath == "" || m.SubPathExpr != "" {
			continue
		}
		files, configMap, known := filesOf(p, pod, m.Name)
		if !known || has(files, m.SubPath) || optionalVolume(pod, m.Name) {
			continue
		}
		ref := analyzers.Ref{APIVersion: "v1", Kind: "ConfigMap", Namespace: pod.Namespace, Name: configMap}
		f := analyzers.Finding{
			Code: badMount, Part: status.Name,
			CausedBy: []analyzers.Ref{ref}, Shared: ref.String() + " has no file " + m.SubPath,
			Summary: sentence("ConfigMap "+configMap+" has no key "+m.SubPath+" (subPath)", ", so "+m.MountPath+" becomes an empty directory"),
			Evidence: []analyzers.Evidence{
				{Source: cluster.RefOf(pod).String(), Path: s.specPath() + ".volumeMounts[" + m.MountPath + "].subPath", Quote: "subPath: " + m.SubPath},
				{Source: ref.String(), Path: "data", Quote: analyzers.Quote("keys: " + strings.Join(files, ", "))},
			},
		}
		if s.text != "" {
			f.Evidence = append(f.Evidence, s.said())
		}
		if fault == cluster.NoFault {
			f.Severity = analyzers.Warning
		}
		root := p.Root(pod)
		if near, ok := nearKey(m.SubPath, files); ok {
			f.Summary = sentence(f.Summary, "; "+near+" was probably meant")
			if patchable[root.Kind] {
				f.Fixes = append(f.Fixes, analyzers.Fix{
					Why:  "Mount key " + near + ", which was probably meant",
					Argv: s.patch(p, root, `"volumeMounts":[{"name":"`+m.Name+`","mountPath":"`+m.MountPath+`","subPath":"`+near+`"}]`),
				})
			}
		}
		f.Fixes = append(f.Fixes, undo(p, pod)...)
		f.Fixes = append(f.Fixes, analyzers.Fix{
			Why:  "Add key " + m.SubPath + " to the ConfigMap",
			Argv: p.Kubectl(pod.Namespace, "patch", "configmap", configMap, "--type", "merge", "-p", `{"data":{"`+m.SubPath+`":"<content>"}}`),
		})
		s.report(p, f)
	}
}

// optionalVolume reports whether a volume may lack what it names.
func optionalVolume(pod *corev1.Pod, name string) bool {
	for _, v := range pod.Spec.Volumes {
		if v.Name == name && v.ConfigMap != nil {
			return yes(v.ConfigMap.Optional)
		}
	}
	return false
}
