package images

import (
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// A catalog holds the images that containers of this cluster have: they exist.
type catalog struct {
	read bool
	uses []use
}

// A use is one image that a container was started from.
type use struct {
	image string
	ref   reference
	owner analyzers.Ref
	// version says that this is the same repository with another version number.
	version bool
}

// near returns the image that a failing one was probably meant to be, and who uses it:
// another tag of its repository, then another repository of its registry, and for Docker
// Hub one of the official images.
func (c *catalog) near(p *analyzers.Pass, image string) (use, bool) {
	c.fill(p)
	want := parse(image)
	if want.digest != "" {
		return use{}, false // nobody mistypes a digest
	}
	if u, ok := c.nearest(want.tag, func(r reference) (string, bool) { return r.tag, r.host == want.host && r.repo == want.repo }); ok {
		u.version = letters(u.ref.tag) == letters(want.tag)
		return u, true
	}
	if u, ok := c.nearest(want.repo, func(r reference) (string, bool) { return r.repo, r.host == want.host && r.tag == want.tag }); ok {
		return u, true
	}
	if want.official() {
		if name, ok := analyzers.Nearest(want.name(), officialNames); ok {
			return use{image: name + ":" + want.tag}, true
		}
	}
	return use{}, false
}

func (c *catalog) nearest(name string, part func(reference) (string, bool)) (use, bool) {
	var names []string
	for _, u := range c.uses {
		if n, ok := part(u.ref); ok && n != "" {
			names = append(names, n)
		}
	}
	best, ok := analyzers.Nearest(name, names)
	if !ok {
		return use{}, false
	}
	i := slices.IndexFunc(c.uses, func(u use) bool { n, ok := part(u.ref); return ok && n == best })
	return c.uses[i], true
}

// letters is a tag without the digits and separators of a version.
func letters(tag string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, tag)
}

// registries are the hosts that images came from.
func (c *catalog) registries(p *analyzers.Pass) []string {
	c.fill(p)
	var out []string
	for _, u := range c.uses {
		out = append(out, u.ref.host)
	}
	return out
}

func (c *catalog) fill(p *analyzers.Pass) {
	if c.read {
		return
	}
	c.read = true
	seen := map[string]bool{}
	for pod := range cluster.All[*corev1.Pod](p.Snapshot) {
		for _, status := range cluster.ContainerStatuses(pod) {
			// An image ID is there once a container was created from the image.
			spec, _, ok := cluster.Container(&pod.Spec, status.Name)
			if ok && status.ImageID != "" && p.ContainerFault(pod, status) != cluster.ImageFault && !seen[spec.Image] {
				seen[spec.Image] = true
				c.uses = append(c.uses, use{image: spec.Image, ref: parse(spec.Image), owner: p.Root(pod)})
			}
		}
	}
}
