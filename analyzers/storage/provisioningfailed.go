package storage

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// ProvisioningFailed reports claims whose provisioner says why it makes no volume.
var ProvisioningFailed = &analyzers.Analyzer{
	Name: "storage/provisioning-failed",
	Doc: `claims whose provisioner says why it makes no volume

The event counts as long as the claim is unbound. One failure right after the claim was
made is none: drivers time out and find the volume at the second try.`,
	Needs: []schema.GroupKind{cluster.PersistentVolumeClaims, cluster.StorageClasses, cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{provisioningFailed},
	Run: func(p *analyzers.Pass) error {
		for pvc := range unbound(p) {
			c, ok := ripe(p, pvc)
			if !ok || pvc.Spec.VolumeName != "" {
				continue
			}
			ev, told := p.LastEvent(pvc, nil, "ProvisioningFailed")
			if !told || noSuchClass.MatchString(ev.Message) || cluster.EventCount(ev) < 2 && p.Since(pvc.CreationTimestamp.Time) < time.Minute {
				continue
			}
			if _, exists := cluster.Find[*storagev1.StorageClass](p.Snapshot, "", c.class); exists || !p.Sees(cluster.StorageClasses, "") {
				c.reportRefused(ev)
			}
		}
		return nil
	},
}

var (
	// noSuchClass is storage/no-class's (k8s.io/kubernetes
	// pkg/controller/volume/persistentvolume/pv_controller.go, findProvisionablePlugin).
	noSuchClass = regexp.MustCompile(`storageclass\.storage\.k8s\.io "[^"]*" not found`)
	// provisionFailed is put before what the driver says
	// (sig-storage-lib-external-provisioner controller/controller.go).
	provisionFailed = regexp.MustCompile(`^[Ff]ailed to provision volume with StorageClass "[^"]*": `)
	// handle is what comes before the reason in external-provisioner pkg/controller/controller.go.
	handle   = regexp.MustCompile(`^error getting handle for DataSource Type \w+ by Name \S+: `)
	rpcError = regexp.MustCompile(`rpc error: code = (\w+) desc = `)
)

// rpc takes the frame of gRPC off an error: its code, or "", and what the other side says.
func rpc(text string) (code, desc string) {
	text = strings.TrimSpace(text)
	if m := rpcError.FindStringSubmatch(text); m != nil {
		code = m[1]
	}
	return code, strings.TrimSpace(rpcError.ReplaceAllString(text, ""))
}

// verdicts say what a driver's code means for a new volume, and what to do (CSI
// specification, Error Scheme, CreateVolume). shared ones do not depend on the claim.
var verdicts = map[string]struct {
	text, fix string
	shared    bool
}{
	"ResourceExhausted": {"no room or quota is left", "Raise the quota or free space at the storage backend; the provisioner tries again by itself", true},
	"PermissionDenied":  {"the driver lacks a right", "Give the provisioner's identity the right that the message names", true},
	"Unauthenticated":   {"the driver is not logged in at the backend", "Renew the provisioner's credentials", true},
	"Unavailable":       {"the storage backend cannot be reached", "Show the provisioner's own state: it cannot reach its backend", true},
	"DeadlineExceeded":  {"the storage backend does not answer in time", "Show the provisioner's own state: its backend does not answer in time", true},
	"InvalidArgument":   {"the driver rejects its parameters", "Correct the parameters of the class, or create the claim anew with what the driver supports", false},
	"OutOfRange":        {"the driver cannot make that size", "Create the claim anew with a size that the driver can make", false},
	"NotFound":          {"something that it needs is missing", "Correct what the message names", false},
	"Unimplemented":     {"the driver cannot do that", "Create the claim anew with what the driver supports", false},
}

func (c claimCase) reportRefused(ev *corev1.Event) {
	code, desc := rpc(provisionFailed.ReplaceAllString(ev.Message, ""))
	desc = handle.ReplaceAllString(desc, "")
	class, exists := cluster.Find[*storagev1.StorageClass](c.Snapshot, "", c.class)
	v, known := verdicts[code]
	f := c.finding(provisioningFailed, "%s gets no volume: %s", c.name(), desc)
	if known {
		f.Summary = analyzers.Line(fmt.Sprintf("%s gets no volume, %s: %s", c.name(), v.text, desc), analyzers.MaxSummary)
	}
	if v.shared {
		f.CausedBy = []analyzers.Ref{classRef(c.class)}
		f.Shared = analyzers.Line(fmt.Sprintf("Class %s makes no volumes: %s", c.class, desc), analyzers.MaxSummary)
	}
	f.Evidence = []analyzers.Evidence{eventOn(c.pvc, ev), {Source: c.source(), Path: "spec", Quote: wants(c.pvc)}}
	describe := analyzers.Fix{Why: "Show the whole message and how often it came", Argv: c.Kubectl(c.pvc.Namespace, "describe", "pvc", c.pvc.Name)}
	if known {
		describe.Why = v.fix + "; the command shows the whole message"
	}
	f.Fixes = []analyzers.Fix{describe}
	if exists && !v.shared {
		f.Evidence = append(f.Evidence, analyzers.Evidence{Source: cluster.RefOf(class).String(), Path: "provisioner", Quote: "provisioner: " + class.Provisioner})
		f.Fixes = append(f.Fixes, analyzers.Fix{Why: "Show the parameters of the class", Argv: c.Kubectl("", "get", "storageclass", c.class, "-o", "yaml")})
	}
	c.Report(f)
}
