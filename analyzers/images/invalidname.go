package images

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// InvalidName reports image names that no runtime can parse, and says which part is wrong.
var InvalidName = &analyzers.Analyzer{
	Name:  "images/invalid-name",
	Doc:   "image names that cannot be parsed",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{invalidName},
	Run: func(p *analyzers.Pass) error {
		for f := range pullsWith(p, invalidName) {
			f.reportInvalidName(p)
		}
		return nil
	},
}

func (f *pull) reportInvalidName(p *analyzers.Pass) {
	why, better := mistake(f.image)
	finding := analyzers.Finding{
		Summary:  sentence(sayf("Image name %q is invalid: %s", short(f.image), why)),
		Evidence: f.evidence(),
	}
	if better != "" {
		finding.Fixes = append(finding.Fixes, f.setImage(p, better, "Correct the image name"))
	}
	finding.Fixes = append(finding.Fixes, f.rollback(p, better)...)
	if len(finding.Fixes) == 0 {
		finding.Fixes = append(finding.Fixes, f.setImage(p, "<registry>/<repository>:<tag>", "Set a valid image name"))
	}
	f.report(p, finding)
}

var (
	scheme      = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://`)
	placeholder = regexp.MustCompile(`\$\{[^}]*\}|\$\([^)]*\)|\{\{[^}]*\}\}|\$[A-Za-z_][A-Za-z0-9_]*|<[^>]*>|%[A-Z_]+%`)
	// The grammar of github.com/distribution/reference regexp.go.
	tagShape    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	digestShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$`)
	partShape   = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$`)
	sha256Shape = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// mistake says what is wrong with an image name, and the name that was meant if that is
// certain.
func mistake(image string) (why, better string) {
	if strings.TrimSpace(image) == "" {
		return "it is empty", ""
	}
	if m := placeholder.FindString(image); m != "" {
		return sayf("the placeholder %s was not filled in", m), ""
	}
	if strings.ContainsAny(image, " \t\n\r") {
		return "it contains white space", valid(strings.Join(strings.Fields(image), ""))
	}
	if m := scheme.FindString(image); m != "" {
		return sayf("it must not start with %s", m), valid(strings.TrimRight(strings.TrimPrefix(image, m), "/"))
	}
	name, digest, hasDigest := strings.Cut(image, "@")
	switch {
	case hasDigest && digest == "":
		return "the digest after @ is empty", ""
	case hasDigest && strings.HasPrefix(digest, "sha256:") && !sha256Shape.MatchString(digest):
		return "a sha256 digest has 64 hexadecimal digits, and this one does not", ""
	case hasDigest && !digestShape.MatchString(digest):
		return sayf("%q is not a digest", analyzers.Quote(digest)), ""
	}
	if tag := slashed(name); tag != "" {
		return sayf("the tag %q must not contain a slash", analyzers.Quote(tag)), ""
	}
	// A colon before the last slash belongs to the registry's port.
	last := name[strings.LastIndexByte(name, '/')+1:]
	base, tag, hasTag := strings.Cut(last, ":")
	repo := strings.TrimSuffix(name, ":"+tag)
	switch {
	case base == "" && !strings.Contains(name, "/"):
		return "the part before the tag is empty", ""
	case strings.HasPrefix(name, "/"):
		return "it must not start with a slash", valid(strings.TrimLeft(image, "/"))
	case strings.HasSuffix(name, "/"), strings.Contains(name, "//"), base == "":
		return "a part between two slashes is empty", ""
	case hasTag && tag == "":
		return "the tag after the colon is empty", ""
	case hasTag && strings.Contains(tag, ":"):
		return sayf("it has two tags, %s", strings.ReplaceAll(tag, ":", " and ")), ""
	case hasTag && !tagShape.MatchString(tag):
		return sayf("%q is not a valid tag", analyzers.Quote(tag)), ""
	}
	path := parse(repo).repo
	if !strings.Contains(repo, "/") {
		path = repo
	}
	if lower := strings.ToLower(path); lower != path {
		return sayf("the repository %s must be in lower case", path), valid(strings.Replace(image, path, lower, 1))
	}
	for part := range strings.SplitSeq(path, "/") {
		if !partShape.MatchString(part) {
			return sayf("%q is not a valid part of a repository", part), ""
		}
	}
	if len(repo) > 255 {
		return "the repository has more than 255 characters", ""
	}
	return "the runtime cannot parse it", ""
}

// slashed is a tag with a slash in it, such as the name of a branch. A colon in the first
// part is that of a port if only digits follow.
func slashed(name string) string {
	first, rest, ok := strings.Cut(name, "/")
	if !ok {
		return ""
	}
	if _, port, ok := strings.Cut(first, ":"); ok && strings.Trim(port, "0123456789") != "" {
		return port + "/" + rest
	}
	if i := strings.IndexByte(rest, ':'); i >= 0 && strings.Contains(rest[i:], "/") {
		return rest[i+1:]
	}
	return ""
}

// valid returns the image if it has no further mistake.
func valid(image string) string {
	if why, _ := mistake(image); why != "the runtime cannot parse it" {
		return ""
	}
	return image
}
