package probes

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	liveness  = "liveness"
	readiness = "readiness"
	startup   = "startup"
)

func probeOf(c *corev1.Container, which string) *corev1.Probe {
	switch which {
	case liveness:
		return c.LivenessProbe
	case readiness:
		return c.ReadinessProbe
	}
	return c.StartupProbe
}

// field is the name of a probe in a container's spec.
func field(which string) string { return which + "Probe" }

// The API server fills in these where a manifest says nothing (k8s.io/kubernetes
// pkg/apis/core/v1/defaults.go, SetDefaults_Probe).
const (
	defaultPeriod    = 10
	defaultTimeout   = 1
	defaultThreshold = 3
)

func or(n, otherwise int32) time.Duration {
	if n <= 0 {
		n = otherwise
	}
	return time.Duration(n)
}

func period(p *corev1.Probe) time.Duration {
	return or(p.PeriodSeconds, defaultPeriod) * time.Second
}

func timeout(p *corev1.Probe) time.Duration {
	return or(p.TimeoutSeconds, defaultTimeout) * time.Second
}

// budget is how long after its start a container may fail a probe.
func budget(p *corev1.Probe) time.Duration {
	return time.Duration(p.InitialDelaySeconds)*time.Second + or(p.FailureThreshold, defaultThreshold)*period(p)
}

// port is the number that a probe asks; ok is false for none and for a name that the
// container does not declare.
func port(p *corev1.Probe, c *corev1.Container) (number int, ok bool) {
	var v intstr.IntOrString
	switch {
	case p.HTTPGet != nil:
		v = p.HTTPGet.Port
	case p.TCPSocket != nil:
		v = p.TCPSocket.Port
	case p.GRPC != nil:
		return int(p.GRPC.Port), true
	default:
		return 0, false
	}
	if v.Type == intstr.Int {
		return v.IntValue(), true
	}
	for _, cp := range c.Ports {
		if cp.Name == v.StrVal {
			return int(cp.ContainerPort), true
		}
	}
	return 0, false
}

// asks says what a probe does, for a summary: "GET /healthz on port 8080".
func asks(p *corev1.Probe, c *corev1.Container) string {
	number, ok := port(p, c)
	on := fmt.Sprintf("port %d", number)
	if !ok {
		on = "a port"
	}
	switch {
	case p.HTTPGet != nil:
		path := p.HTTPGet.Path
		if path == "" {
			path = "/"
		}
		if p.HTTPGet.Host != "" { // not the pod's own address
			on += " of host " + p.HTTPGet.Host
		}
		return "GET " + path + " on " + on
	case p.TCPSocket != nil:
		return "of TCP " + on
	case p.GRPC != nil:
		return "by gRPC on " + on
	case p.Exec != nil:
		return "command " + strings.Join(p.Exec.Command, " ")
	}
	return "without an action"
}
