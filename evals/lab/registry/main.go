// Command registry answers a container runtime as registries do when a pull
// fails, so that the runtime writes its real messages. The first part of the
// repository name picks the answer:
//
//	shop/      404 manifest unknown
//	private/   401, and the token server refuses too
//	team/      401 insufficient_scope with a token
//	internal/  403
//	library/   429 toomanyrequests
//	edge/      an index without linux/amd64
//	heavy/     an image whose layer arrives one byte per second
//
// One port serves TLS: registry.lab.test with a certificate of the lab's own
// CA (written to -ca for the runtime to trust), every other name self-signed.
// Another port serves plain HTTP.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

func main() {
	tlsAddr := flag.String("tls", "10.245.0.1:443", "address of the TLS port")
	httpAddr := flag.String("http", "10.245.0.1:5000", "address of the plain port")
	trusted := flag.String("trusted", "registry.lab.test", "name that gets a certificate of the lab CA")
	caFile := flag.String("ca", filepath.Join(os.TempDir(), "lab-registry-ca.pem"), "file for the lab CA")
	flag.Parse()

	ca, caKey, caCert := certificate("Lab CA", nil, nil)
	check(os.WriteFile(*caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca}), 0o644))
	leaf, leafKey, _ := certificate(*trusted, caCert, caKey)
	good := &tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: leafKey}
	config := &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName == *trusted {
			return good, nil
		}
		der, key, _ := certificate(h.ServerName, nil, nil)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}}

	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Query().Get("scope"), "private/") {
			fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
			return
		}
		fmt.Fprint(w, `{"token": "anonymous", "expires_in": 300}`)
	})
	mux.HandleFunc("/v2/", repository)
	go func() { check(http.ListenAndServe(*httpAddr, mux)) }()
	server := &http.Server{Addr: *tlsAddr, Handler: mux, TLSConfig: config}
	check(server.ListenAndServeTLS("", ""))
}

func repository(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	kind, _, _ := strings.Cut(path, "/")
	log.Println(r.Method, r.URL.Path)
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	switch kind {
	case "private", "team":
		scope := "repository:" + strings.Split(path, "/manifests/")[0] + ":pull"
		challenge := fmt.Sprintf(`Bearer realm="https://%s/token",service="%s",scope="%s"`, r.Host, r.Host, scope)
		if r.Header.Get("Authorization") != "" {
			challenge += `,error="insufficient_scope"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	case "internal":
		fail(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
	case "library":
		w.Header().Set("Retry-After", "3600")
		fail(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit")
	case "edge":
		serve(w, r, "application/vnd.oci.image.index.v1+json", index("arm64"))
	case "heavy":
		heavy(w, r, path)
	default:
		fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
	}
}

func heavy(w http.ResponseWriter, r *http.Request, path string) {
	config := []byte(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["` + digest([]byte("layer")) + `"]}}`)
	switch {
	case strings.HasSuffix(path, digest(config)):
		serve(w, r, "application/octet-stream", config)
	case strings.Contains(path, "/manifests/"):
		serve(w, r, "application/vnd.oci.image.manifest.v1+json", fmt.Appendf(nil,
			`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
				`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},`+
				`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"%s","size":3221225472}]}`,
			digest(config), len(config), digest([]byte("compressed layer"))))
	default:
		trickle(w, r)
	}
}

// slow is the time window of one slow download. The kubelet pulls one image
// after the other and a runtime resumes a broken download, so that a layer
// without an end would block the node for all later pulls.
var slow struct {
	sync.Mutex
	end time.Time
}

func trickle(w http.ResponseWriter, r *http.Request) {
	slow.Lock()
	if time.Since(slow.end) > time.Minute {
		slow.end = time.Now().Add(2 * time.Minute)
	}
	end := slow.end
	slow.Unlock()
	if time.Now().After(end) {
		fail(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
		return
	}
	w.Header().Set("Content-Length", "3221225472")
	for time.Now().Before(end) && r.Context().Err() == nil {
		if _, err := w.Write([]byte{0}); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		time.Sleep(time.Second)
	}
}

func index(arch string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[`+
		`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":1000,"platform":{"architecture":"%s","os":"linux"}}]}`,
		digest([]byte(arch)), arch)
}

func serve(w http.ResponseWriter, r *http.Request, mediaType string, body []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", digest(body))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, fmt.Sprintf(`{"errors":[{"code":%q,"message":%q}]}`, code, message))
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// certificate makes a certificate for name, signed by parent or by itself.
func certificate(name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey, *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		BasicConstraintsValid: true, IsCA: parent == nil,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	check(err)
	cert, err := x509.ParseCertificate(der)
	check(err)
	return der, key, cert
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
