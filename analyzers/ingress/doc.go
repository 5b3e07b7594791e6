// Package ingress finds Ingresses that bring no user to a pod: nobody serves their
// class, their backend is missing or does not answer, another Ingress has their host and
// path, their certificate is not there, an annotation does not do what it says.
//
// An Ingress does nothing by itself, and each controller reads it in its own way. What
// only one of them does is judged only where the IngressClass names that controller; the
// rules about annotations and logs are those of ingress-nginx.
//
// Not decidable from objects, events and logs, and so not reported: a host whose DNS
// record leads elsewhere, a certificate whose names do not fit (Secrets are never read),
// a 404 of the application itself (ingress-nginx logs it like one of its own), a redirect
// loop between a load balancer outside and the application as long as nobody asks (it is
// read from the access log alone), and a PROXY protocol that only one side speaks.
package ingress
