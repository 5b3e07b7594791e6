package cluster

// A Health is what a health endpoint of the API server said. The zero Status says that it
// was not asked or gave no answer.
type Health struct {
	Path   string `json:"path"`             // "/readyz?verbose"
	Status int    `json:"status,omitempty"` // of HTTP
	Text   string `json:"text,omitempty"`   // one line a check: "[+]ping ok", "[-]etcd failed: reason withheld"
	Why    string `json:"why,omitempty"`    // why there is no answer
}

// Readyz is the endpoint that tells whether the API server and what it stands on serve
// (k8s.io/apiserver pkg/server/healthz/healthz.go).
const Readyz = "/readyz?verbose"

// Health returns what was heard of an endpoint; ok is false when nothing was.
func (s *Snapshot) Health(path string) (Health, bool) {
	for _, h := range s.health {
		if h.Path == path {
			return h, h.Status != 0
		}
	}
	return Health{}, false
}

// AddHealth keeps what a health endpoint said.
func (b *Builder) AddHealth(h Health) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.health = append(b.health, h)
}
