package config

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// SubPath reports mounts of single files that fail: a subPath that the ConfigMap does
// not have becomes an empty directory, and a directory cannot be mounted on a file. A
// volume that is mounted as a whole on the program's own folder hides the program.
var SubPath = &analyzers.Analyzer{
	Name:  "config/sub-path",
	Doc:   "subPath and single-file mounts that fail or mount an empty directory",
	Needs: []schema.GroupKind{cluster.Pods, cluster.ConfigMaps},
	Emits: []analyzers.Code{badMount},
	Run: func(p *analyzers.Pass) error {
		for s := range starts(p, mountStart) {
			if m, ok := s.shadow(); ok {
				s.reportShadow(p, m)
				continue
			}
			s.reportMount(p)
		}
		for pod := range subjects(p) {
			for _, status := range cluster.ContainerStatuses(pod) {
				reportEmptySubPath(p, pod, status)
			}
		}
		return nil
	},
}

var (
	// runc libcontainer/rootfs_linux.go: error mounting %q to rootfs at %q.
	rootfsPath = regexp.MustCompile(`to rootfs at "([^"]+)"`)
	// k8s.io/kubernetes pkg/kubelet/kubelet_pods.go, makeMounts.
	mountName = regexp.MustCompile(`subPath(?: directory)? for volumeMount "([^"]+)"`)
)

// mount is the volume mount that the runtime or the kubelet speaks of.
func (s start) mount() *corev1.VolumeMount {
	at, name := rootfsPath.FindStringSubmatch(s.text), mountName.FindStringSubmatch(s.text)
	for i := range s.spec.VolumeMounts {
		m := &s.spec.VolumeMounts[i]
		if at != nil && path.Clean(m.MountPath) == path.Clean(at[1]) || name != nil && m.Name == name[1] && m.SubPath+m.SubPathExpr != "" {
			return m
		}
	}
	return nil
}

func (s start) reportMount(p *analyzers.Pass) {
	m := s.mount()
	f := analyzers.Finding{Code: badMount, Summary: sentence("Container " + s.status.Name + " cannot mount a volume: one side is a directory, the other a file"), Evidence: []analyzers.Evidence{s.said()}}
	root := p.Root(s.pod)
	if m != nil {
		sub := m.SubPath + m.SubPathExpr
		proof := analyzers.Evidence{Source: cluster.RefOf(s.pod).String(), Path: s.specPath() + ".volumeMounts[" + m.Name + "].mountPath", Quote: "mountPath: " + m.MountPath}
		if sub != "" {
			proof.Path, proof.Quote = s.specPath()+".volumeMounts["+m.MountPath+"].subPath", "subPath: "+sub
		}
		f.Evidence = append(f.Evidence, proof)
		files, _, known := filesOf(p, s.pod, m.Name)
		switch {
		case sub == "":
			f.Summary = sentence("Container "+s.status.Name+" cannot mount volume "+m.Name+", a directory, on "+m.MountPath, ", which is a file in the image")
			if base := path.Base(m.MountPath); slices.Contains(files, base) && patchable[root.Kind] {
				f.Fixes = append(f.Fixes, analyzers.Fix{
					Why:  "Mount only key " + base + ", in place of the file",
					Argv: s.patch(p, root, `"volumeMounts":[{"name":"`+m.Name+`","mountPath":"`+m.MountPath+`","subPath":"`+base+`"}]`),
				})
			}
		case known && !has(files, sub):
			return // reported by what the ConfigMap has
		case mountName.MatchString(s.text):
			f.Summary = sentence("Container "+s.status.Name+" cannot mount subPath "+sub+" of volume "+m.Name, ": it is missing or may not be entered")
		default:
			f.Summary = sentence("Container "+s.status.Name+" cannot mount subPath "+sub+" of volume "+m.Name, " on "+m.MountPath+": one is a file, the other a directory")
		}
	}
	f.Fixes = append(f.Fixes, undo(p, s.pod)...)
	if len(f.Fixes) == 0 {
		f.Fixes = []analyzers.Fix{{Why: "Mount the volume on a directory that the image does not have, or a single file of it with subPath", Argv: p.Kubectl(root.Namespace, "edit", root.Short())}}
	}
	s.report(p, f)
}

// filesOf lists the files of a volume that is made of one ConfigMap; known is false for
// other volumes, and where the ConfigMap cannot be seen.
func filesOf(p *analyzers.Pass, pod *corev1.Pod, volume string) (files []string, configMap string, known bool) {
	for _, v := range pod.Spec.Volumes {
		if v.Name != volume || v.ConfigMap == nil {
			continue
		}
		cm, ok := cluster.Find[*corev1.ConfigMap](p.Snapshot, pod.Namespace, v.ConfigMap.Name)
		if !ok {
			return nil, "", false
		}
		for _, item := range v.ConfigMap.Items {
			files = append(files, path.Clean(item.Path))
		}
		if len(files) == 0 {
			files = slices.AppendSeq(slices.Collect(maps.Keys(cm.Data)), maps.Keys(cm.BinaryData))
		}
		slices.Sort(files)
		return files, cm.Name, true
	}
	return nil, "", false
}

// has reports whether a subPath names one of the files or a directory above one.
func has(files []string, sub string) bool {
	sub = path.Clean(sub)
	return sub == "." || slices.ContainsFunc(files, func(f string) bool { return f == sub || strings.HasPrefix(f, sub+"/") })
}
