package config

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// shadow is the mount that hides the program which the runtime does not find: the deepest
// one above it, and of a whole volume. What a mounted file or folder of a volume hides is
// not known. A program without a path is looked for in many folders.
func (s start) shadow() (*corev1.VolumeMount, bool) {
	program := s.executable()
	if !commandText.MatchString(s.text) || !path.IsAbs(program) || strings.Contains(s.text, "permission denied") {
		return nil, false
	}
	var over *corev1.VolumeMount
	for i := range s.spec.VolumeMounts {
		m := &s.spec.VolumeMounts[i]
		at := path.Clean(m.MountPath)
		if (at == path.Clean(program) || strings.HasPrefix(path.Clean(program), at+"/")) && (over == nil || len(at) > len(path.Clean(over.MountPath))) {
			over = m
		}
	}
	if over == nil || over.SubPath+over.SubPathExpr != "" || path.Clean(over.MountPath) == path.Clean(program) || s.provides(over.Name) {
		return nil, false
	}
	return over, true
}

// provides reports whether the volume is to bring the program: an image volume, or one
// that another container fills, as an init container that copies a tool does. Then the
// program is not missing for the mount, but for what was to put it there.
func (s start) provides(volume string) bool {
	for _, v := range s.pod.Spec.Volumes {
		if v.Name == volume && (v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil) {
			return false // nothing is ever written into these
		}
		if v.Name == volume && v.Image != nil {
			return true
		}
	}
	return slices.ContainsFunc(cluster.Containers(&s.pod.Spec), func(c corev1.Container) bool {
		return c.Name != s.spec.Name && slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume && !m.ReadOnly })
	})
}

// maxSingle is how many files a fix mounts one by one.
const maxSingle = 3

func (s start) reportShadow(p *analyzers.Pass, m *corev1.VolumeMount) {
	program, at := path.Clean(s.executable()), path.Clean(m.MountPath)
	files, _, known := filesOf(p, s.pod, m.Name)
	lacks := ", and has no " + path.Base(program) + " itself"
	if known && slices.Contains(files, strings.TrimPrefix(program, at+"/")) {
		lacks, known = "", false // it came after the last try
	}
	f := analyzers.Finding{
		Code:    badMount,
		Summary: sentence("Container "+s.status.Name+" cannot start: volume "+m.Name+", mounted on "+at+", hides what the image has there", lacks),
		Evidence: []analyzers.Evidence{
			s.said(),
			{Source: cluster.RefOf(s.pod).String(), Path: s.specPath() + ".volumeMounts[" + m.MountPath + "].mountPath", Quote: "name: " + m.Name + ", mountPath: " + m.MountPath},
		},
	}
	root := p.Root(s.pod)
	if known && len(files) > 0 && len(files) <= maxSingle && patchable[root.Kind] {
		// The key of the list is mountPath.
		mounts := []map[string]any{{"$patch": "delete", "mountPath": m.MountPath}}
		for _, file := range files {
			mounts = append(mounts, map[string]any{"name": m.Name, "mountPath": at + "/" + file, "subPath": file})
		}
		if data, err := json.Marshal(mounts); err == nil {
			f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Mount each file of the volume by subPath, beside the files of the image", Argv: s.patch(p, root, `"volumeMounts":`+string(data))})
		}
	}
	f.Fixes = append(f.Fixes, undo(p, s.pod)...)
	f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Mount the volume on a folder that the image does not use", Argv: p.Kubectl(root.Namespace, "edit", root.Short())})
	s.report(p, f)
}
