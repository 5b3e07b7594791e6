package cluster

import (
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A FullVolume is a claim on which a program found no space left.
type FullVolume struct {
	Claim string
	Path  string // where the container has it
	Line  string // of the log that says so
}

var (
	noSpace     = regexp.MustCompile(`(?i)no space left on device|\bENOSPC\b|disk quota exceeded|not enough space on the disk`)
	fileWatches = regexp.MustCompile(`(?i)inotify|fsnotify|file ?watch`)
	// absolutePath is a path in a line of a log.
	absolutePath = regexp.MustCompile(`(?:^|[\s"'` + "`" + `(=:\[])(/[\w.@%+/-]+)`)
)

// fullWords are enough: it is the error that ends the program.
const fullWords = 30

// FullVolume tells of a container that ended because a claim that it writes to is full. The
// line must name a file on the claim, or no file at all where the container can write to no
// other claim.
func (s *Snapshot) FullVolume(pod *corev1.Pod, status corev1.ContainerStatus) (FullVolume, bool) {
	claims := claimMounts(pod, status.Name)
	if len(claims) == 0 {
		return FullVolume{}, false
	}
	log, ok := s.LastLog(pod, status)
	if !ok {
		return FullVolume{}, false
	}
	lines := log.Lines()
	for _, line := range slices.Backward(lines[max(0, len(lines)-fullWords):]) {
		if !noSpace.MatchString(line) || fileWatches.MatchString(line) {
			continue
		}
		paths := absolutePath.FindAllStringSubmatch(line, -1)
		for _, m := range paths {
			if dir := mountAbove(pod, status.Name, m[1]); claims[dir] != "" {
				return FullVolume{claims[dir], dir, line}, true
			}
		}
		if len(paths) > 0 || len(claims) > 1 {
			return FullVolume{}, false
		}
		for dir, claim := range claims {
			return FullVolume{claim, dir, line}, true
		}
	}
	return FullVolume{}, false
}

// claimMounts maps the places where a container can write to a claim to the claim's name.
func claimMounts(pod *corev1.Pod, container string) map[string]string {
	c, _, ok := Container(&pod.Spec, container)
	if !ok {
		return nil
	}
	var out map[string]string
	for _, m := range c.VolumeMounts {
		for i := range pod.Spec.Volumes {
			if v := &pod.Spec.Volumes[i]; v.Name == m.Name && !m.ReadOnly && v.PersistentVolumeClaim != nil {
				if out == nil {
					out = map[string]string{}
				}
				out[path.Clean(m.MountPath)] = v.PersistentVolumeClaim.ClaimName
			}
		}
	}
	return out
}

// mountAbove is where the volume is mounted that holds a file.
func mountAbove(pod *corev1.Pod, container, file string) string {
	c, _, ok := Container(&pod.Spec, container)
	best := ""
	for i := 0; ok && i < len(c.VolumeMounts); i++ {
		dir := path.Clean(c.VolumeMounts[i].MountPath)
		if (file == dir || strings.HasPrefix(file, dir+"/")) && len(dir) > len(best) {
			best = dir
		}
	}
	return best
}
