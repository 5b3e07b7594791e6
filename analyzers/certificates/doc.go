// Package certificates finds TLS certificates that cert-manager cannot issue or renew, and
// the link of the chain at which they stand: Certificate, CertificateRequest, Order,
// Challenge, Issuer.
//
// What is reported has the Certificate as subject, or the Issuer: requests, orders and
// challenges have names that change with each attempt. The texts are those of
// github.com/cert-manager/cert-manager v1.21.
package certificates
