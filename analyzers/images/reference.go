package images

import "strings"

const dockerHub = "docker.io"

// A reference is an image name in its parts. Missing parts are filled in as the runtime
// does it (github.com/distribution/reference normalize.go): nginx is
// docker.io/library/nginx:latest.
type reference struct {
	host   string // docker.io, registry.corp:5000
	repo   string // library/nginx, team/web
	tag    string // empty with a digest alone
	digest string // sha256:…
}

func parse(image string) reference {
	var r reference
	image, r.digest, _ = strings.Cut(strings.TrimSpace(image), "@")
	first, rest, ok := strings.Cut(image, "/")
	// A first part without a dot or colon is a folder on Docker Hub, not a host.
	if ok && (strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first) {
		r.host, r.repo = first, rest
	} else {
		r.host, r.repo = dockerHub, image
	}
	r.repo, r.tag, _ = strings.Cut(r.repo, ":")
	if r.host == "index.docker.io" {
		r.host = dockerHub
	}
	if r.host == dockerHub && !strings.Contains(r.repo, "/") {
		r.repo = "library/" + r.repo
	}
	if r.tag == "" && r.digest == "" {
		r.tag = "latest"
	}
	return r
}

// familiar is the name as people write it: without Docker Hub's host and folder.
func (r reference) familiar() string {
	if r.host == dockerHub {
		return strings.TrimPrefix(r.repo, "library/")
	}
	return r.host + "/" + r.repo
}

// official reports whether the repository is one of Docker Hub's own, which are public
// without exception.
func (r reference) official() bool {
	return r.host == dockerHub && strings.HasPrefix(r.repo, "library/")
}

// name is the last part of the repository.
func (r reference) name() string { return r.repo[strings.LastIndexByte(r.repo, '/')+1:] }

// registry is the host as people call it.
func (r reference) registry() string {
	if r.host == dockerHub {
		return "Docker Hub"
	}
	return r.host
}

// officialNames are the most used official images of Docker Hub: what a misspelled name
// of one word was probably meant to be.
var officialNames = []string{
	"alpine", "amazoncorretto", "bash", "busybox", "caddy", "cassandra", "consul", "couchdb", "debian", "docker", "eclipse-mosquitto",
	"eclipse-temurin", "elasticsearch", "fedora", "ghost", "golang", "grafana", "haproxy", "hello-world", "httpd", "influxdb", "kibana",
	"mariadb", "maven", "memcached", "mongo", "mysql", "nats", "neo4j", "nextcloud", "nginx", "node", "openjdk", "perl", "php", "postgres",
	"python", "rabbitmq", "redis", "registry", "ruby", "rust", "solr", "telegraf", "tomcat", "traefik", "ubuntu", "vault", "wordpress", "zookeeper",
}

const maxImage = 72

// short is an image for a sentence: a digest is cut to the length that people compare,
// and folders in the middle give way when it is still too long.
func short(image string) string {
	if name, digest, ok := strings.Cut(image, "@sha256:"); ok && len(digest) > 12 {
		image = name + "@sha256:" + digest[:12] + "…"
	}
	if len(image) <= maxImage {
		return image
	}
	first, rest, ok := strings.Cut(image, "/")
	if i := strings.LastIndexByte(rest, '/'); ok && i >= 0 && len(first)+len(rest[i:]) < maxImage {
		return first + "/…" + rest[i:]
	}
	r := []rune(image)
	return string(r[:maxImage/2]) + "…" + string(r[len(r)-maxImage/2+1:])
}
