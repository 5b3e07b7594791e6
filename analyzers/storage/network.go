package storage

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// Network reports NFS and CIFS shares that a node cannot mount, and why.
var Network = &analyzers.Analyzer{
	Name:  "storage/network",
	Doc:   "NFS and CIFS shares that a node cannot mount",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events, cluster.PersistentVolumeClaims, cluster.PersistentVolumes, cluster.Services},
	Emits: []analyzers.Code{nfsFailed},
	Run: func(p *analyzers.Pass) error {
		for _, c := range of(p, network) {
			if waited(p, c.pod) > bindPatience {
				reportShare(p, c)
			}
		}
		return nil
	},
}

// shareFaults are the words of nfs-utils (utils/mount/error.c, mount_error), cifs-utils
// (mount.cifs.c: "mount error(%d): %s") and util-linux, the first that occurs decides.
var shareFaults = []struct {
	words    *regexp.Regexp
	text     string // %s is the share
	fix      string
	atServer bool // the server has been reached or should have been
}{
	{regexp.MustCompile(`unknown filesystem type|you might need a /sbin/mount\.<type> helper|missing codepage or helper program|mount\.(?:nfs|cifs): (?:command )?not found`),
		"the node has no program to mount %s with", "Install the client on the nodes (nfs-common or nfs-utils, cifs-utils)", false},
	{regexp.MustCompile(`access denied by server|Permission denied|mount error\(13\)`),
		"the server refuses %s to the node", "Let the nodes' addresses in at the server (its export list, or the user and password of the share)", true},
	{regexp.MustCompile(`[Ff]ailed to resolve server|could not resolve address|Name or service not known`),
		"the node cannot resolve the server of %s", "Name the server by an address that the nodes can resolve: they do not use the cluster's DNS", false},
	{regexp.MustCompile(`No such file or directory|mount error\(2\)`),
		"the server has no share %s", "Correct the path, or export it at the server", true},
	{regexp.MustCompile(`Connection refused|mount error\(111\)`),
		"the server of %s refuses the connection", "Start the file server, or correct its address", true},
	{regexp.MustCompile(`[Tt]imed out|No route to host|Network is unreachable|Host is down|mount error\((?:110|112|113|115)\)`),
		"the server of %s cannot be reached from the node", "Open port 2049 (NFS) or 445 (CIFS) between nodes and server, or correct the address", true},
	{regexp.MustCompile(`not supported|incorrect mount option|[Ii]nvalid argument`),
		"server and node agree on no way to mount %s", "Correct mountOptions: the version or option that the message names", true},
	{regexp.MustCompile(`[Ss]tale (?:NFS )?file handle`),
		"the directory behind %s was replaced at the server", "Export the directory again and delete the pod, so that it is mounted anew", true},
}

func reportShare(p *analyzers.Pass, c complaint) {
	server, path := share(c)
	what := server
	if path != "" {
		what = server + ":" + path
	}
	if what == "" {
		what = "the share"
	}
	f := c.finding(p, nfsFailed, "%s cannot be mounted: %s", c.name(), c.text)
	f.Fixes = []analyzers.Fix{{Why: "Show the pod's events with the whole message", Argv: p.Kubectl(c.pod.Namespace, "events", "--for", "pod/"+c.pod.Name)}}
	for _, fault := range shareFaults {
		if !fault.words.MatchString(c.text) {
			continue
		}
		if fault.atServer && early(p, c) {
			return // the server may be starting too
		}
		f.Summary = analyzers.Line(fmt.Sprintf("%s cannot be mounted: %s", c.name(), fmt.Sprintf(fault.text, what)), analyzers.MaxSummary)
		f.Fixes[0].Why = fault.fix + "; the command shows the whole message"
		if server != "" && fault.atServer {
			f.CausedBy = []analyzers.Ref{{Kind: "FileServer", Name: server}}
			f.Shared = analyzers.Line(fmt.Sprintf("Shares of %s cannot be mounted: "+fault.text, server, what), analyzers.MaxSummary)
			c.inCluster(p, server, &f)
		}
		break
	}
	if c.pv != nil {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(c.pv).String(), Path: "spec", Quote: strings.TrimSpace("share " + what + " " + mountOptions(c.pv))})
	}
	p.Report(f)
}

func mountOptions(pv *corev1.PersistentVolume) string {
	if len(pv.Spec.MountOptions) == 0 {
		return ""
	}
	return "mountOptions: " + strings.Join(pv.Spec.MountOptions, ",")
}

// inCluster names the Service of the cluster that the share is served by, if it is one.
func (c complaint) inCluster(p *analyzers.Pass, server string, f *analyzers.Finding) {
	namespace := c.pod.Namespace
	if d := p.Dependency(namespace, cluster.Address{Host: server}); d.Service != nil {
		f.CausedBy = []analyzers.Ref{cluster.RefOf(d.Service)}
	}
}

// mounting is how the kubelet shows its command (k8s.io/mount-utils mount_linux.go).
var mounting = regexp.MustCompile(`Mounting arguments: .*?-t (?:nfs4?|cifs) (?:-o \S+ )?(//[^/\s]+|[^\s:]+|\[[^\]]+\]):?(/\S*) `)

// share is server and path, from the volume or from the command.
func share(c complaint) (server, path string) {
	switch {
	case c.volume != nil && c.volume.NFS != nil:
		return c.volume.NFS.Server, c.volume.NFS.Path
	case c.pv != nil && c.pv.Spec.NFS != nil:
		return c.pv.Spec.NFS.Server, c.pv.Spec.NFS.Path
	case c.pv != nil && c.pv.Spec.CSI != nil:
		// csi-driver-nfs: server and share; csi-driver-smb: source.
		a := c.pv.Spec.CSI.VolumeAttributes
		if a["server"] != "" {
			return a["server"], a["share"]
		}
		if s, ok := strings.CutPrefix(a["source"], "//"); ok {
			server, path, _ = strings.Cut(s, "/")
			return server, "/" + path
		}
	}
	if m := mounting.FindStringSubmatch(c.ev.Message); m != nil {
		return strings.TrimPrefix(m[1], "//"), m[2]
	}
	return "", ""
}
