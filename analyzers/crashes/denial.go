package crashes

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A denial is what the operating system refused, and the setting behind it.
type denial struct {
	summary      string // continues "Container x"
	field, value string // of the pod
	why          string // of the fix
	patch        map[string]any
}

var (
	deniedFile = regexp.MustCompile(`(?:['"` + "`" + `( ]|^|: )(/[^\s:'"` + "`" + `,)]+)`)
	deniedPort = regexp.MustCompile(`(?i)(?:bind|listen).*?[:\s](\d{1,5})\b(?:\D|$)`)
)

func denialOf(c crash, r reason) denial {
	if m := deniedPort.FindStringSubmatch(r.Detail); m != nil {
		if port, err := strconv.Atoi(m[1]); err == nil && port > 0 && port < 1024 {
			return lowPort(c, port)
		}
	}
	file := ""
	if m := deniedFile.FindStringSubmatch(r.Detail); m != nil {
		file = m[1]
	}
	lower := strings.ToLower(r.Detail)
	switch {
	case strings.Contains(lower, "read-only file") || strings.Contains(lower, "erofs"):
		return readOnly(c, file, r.Detail)
	case strings.Contains(lower, "not permitted") && strings.Contains(lower, "ch"):
		return denial{summary: fmt.Sprintf("may not do this %s: %s", asUser(c), r.Detail), why: "Leave out the change of owner, or do it in an init container that runs as root"}
	case file == "":
		return denial{summary: fmt.Sprintf("is denied access %s: %s", asUser(c), r.Detail), why: "Give the program's user the right, or run it as another user (runAsUser, fsGroup)"}
	}
	return unowned(c, file)
}

// lowPort: ports below 1024 are for root, unless the sysctl says otherwise. The capability
// NET_BIND_SERVICE does not help another user: Kubernetes sets no ambient capabilities.
func lowPort(c crash, port int) denial {
	d := denial{summary: fmt.Sprintf("may not listen on port %d %s: ports below 1024 are for root", port, asUser(c))}
	d.field, d.value = userField(c)
	d.why = "Let the program listen on a port above 1023"
	if !c.pod.Spec.HostNetwork {
		d.why = "Open ports below 1024 to all users of the pod, or let the program and targetPort use a port above 1023"
		d.patch = template(map[string]any{"securityContext": map[string]any{"sysctls": []any{map[string]any{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}}}})
	}
	return d
}

func readOnly(c crash, file, detail string) denial {
	what := "cannot write " + file
	if file == "" {
		what = "cannot write (" + detail + ")"
	}
	if m, v, ok := mountOf(c, file); ok {
		field := "spec.containers[" + c.status.Name + "].volumeMounts[" + m.Name + "]"
		switch {
		case v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil:
			return denial{summary: fmt.Sprintf("%s: volume %s is a ConfigMap or Secret, which are always read-only", what, m.Name), field: field + ".mountPath", value: m.MountPath, why: "Let the program write elsewhere, or copy the files into an emptyDir in an init container"}
		case m.ReadOnly:
			return denial{summary: fmt.Sprintf("%s: volume %s is mounted read-only", what, m.Name), field: field + ".readOnly", value: "true", why: "Mount the volume for writing",
				patch: template(map[string]any{"containers": []any{map[string]any{"name": c.status.Name, "volumeMounts": []any{map[string]any{"name": m.Name, "mountPath": m.MountPath, "readOnly": false}}}}})}
		}
		return denial{summary: fmt.Sprintf("%s: volume %s has become read-only", what, m.Name), field: field + ".mountPath", value: m.MountPath}
	}
	d := denial{summary: what + ": its root file system is read-only", why: "Mount an emptyDir there, which the program can write to and which goes with the pod", patch: emptyDirAt(c, file)}
	if sc := c.container.SecurityContext; sc != nil && sc.ReadOnlyRootFilesystem != nil && *sc.ReadOnlyRootFilesystem {
		d.field, d.value = "spec.containers["+c.status.Name+"].securityContext.readOnlyRootFilesystem", "true"
	}
	return d
}

// unowned: the file belongs to somebody else, in a volume or in the image.
func unowned(c crash, file string) denial {
	d := denial{summary: fmt.Sprintf("is denied access to %s %s", file, asUser(c))}
	d.field, d.value = userField(c)
	m, v, ok := mountOf(c, file)
	if !ok {
		d.why = "Mount an emptyDir there, which the program can write to, or give it the folder in the image (chown)"
		d.patch = emptyDirAt(c, file)
		return d
	}
	d.summary += ", in volume " + m.Name
	group := int64(0)
	if u := user(c); u != nil {
		group = *u
	}
	if sc := c.pod.Spec.SecurityContext; v.HostPath == nil && group > 0 && (sc == nil || sc.FSGroup == nil) {
		d.summary += " and without an fsGroup"
		d.why = "Give the volume's files to the program's group when it is mounted (fsGroup)"
		d.patch = template(map[string]any{"securityContext": map[string]any{"fsGroup": group}})
		return d
	}
	d.why = "Give the program's user the right to the volume's files, or run it as their owner"
	return d
}

// mountOf is the mount that a file lies in; ok is false for a file of the image.
func mountOf(c crash, file string) (m corev1.VolumeMount, v corev1.Volume, ok bool) {
	for _, mount := range c.container.VolumeMounts {
		dir := strings.TrimSuffix(mount.MountPath, "/")
		if file != "" && (file == dir || strings.HasPrefix(file, dir+"/")) && len(mount.MountPath) > len(m.MountPath) {
			m, ok = mount, true
		}
	}
	for _, volume := range c.pod.Spec.Volumes {
		if ok && volume.Name == m.Name {
			v = volume
		}
	}
	return m, v, ok
}

func user(c crash) *int64 {
	if sc := c.container.SecurityContext; sc != nil && sc.RunAsUser != nil {
		return sc.RunAsUser
	}
	if sc := c.pod.Spec.SecurityContext; sc != nil {
		return sc.RunAsUser
	}
	return nil
}

func asUser(c crash) string {
	if u := user(c); u != nil {
		return fmt.Sprintf("as user %d", *u)
	}
	return "as its user"
}

func userField(c crash) (field, value string) {
	u := user(c)
	if u == nil {
		return "", ""
	}
	field = "spec.securityContext.runAsUser"
	if sc := c.container.SecurityContext; sc != nil && sc.RunAsUser != nil {
		field = "spec.containers[" + c.status.Name + "].securityContext.runAsUser"
	}
	return field, strconv.FormatInt(*u, 10)
}

// emptyDirAt mounts an emptyDir at the folder of a file. The root itself and the folders
// of the image's programs cannot be covered.
func emptyDirAt(c crash, file string) map[string]any {
	dir := path.Dir(file)
	switch first, _, _ := strings.Cut(strings.TrimPrefix(dir, "/"), "/"); first {
	case "", ".", "bin", "sbin", "lib", "lib64", "usr", "proc", "sys", "dev":
		return nil
	}
	if dir == "/etc" || dir == "/app" {
		return nil
	}
	name := "writable-" + strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(path.Base(dir))), "-")
	return template(map[string]any{
		"volumes":    []any{map[string]any{"name": name, "emptyDir": map[string]any{}}},
		"containers": []any{map[string]any{"name": c.status.Name, "volumeMounts": []any{map[string]any{"name": name, "mountPath": dir}}}},
	})
}

// template is a patch of a workload's pod template.
func template(spec map[string]any) map[string]any {
	return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": spec}}}
}

// mustJSON writes what is made of strings and numbers only, which cannot fail.
func mustJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(data)
}
