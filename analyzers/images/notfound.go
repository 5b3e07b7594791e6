package images

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubefathom/fathom/analyzers"
	"github.com/kubefathom/fathom/analyzers/cluster"
)

// NotFound reports images that their registry does not have. A registry that only says
// "denied" is Unauthorized's, unless nobody can be denied that name.
var NotFound = &analyzers.Analyzer{
	Name:  "images/not-found",
	Doc:   "images whose name or tag their registry does not have",
	Needs: []schema.GroupKind{cluster.Pods, cluster.Events},
	Emits: []analyzers.Code{notFound},
	Run: func(p *analyzers.Pass) error {
		var c catalog
		for f := range pullsWith(p, notFound) {
			f.reportNotFound(p, &c)
		}
		return nil
	},
}

func (f *pull) reportNotFound(p *analyzers.Pass, c *catalog) {
	r := parse(f.image)
	what := sayf("Image %s does not exist in its registry", short(f.image))
	switch text := strings.ToLower(f.text); {
	case strings.Contains(text, "pull access denied"):
		what = sayf("Docker Hub has no official image %s", r.name())
	case strings.Contains(text, "name unknown"), strings.Contains(text, "name_unknown"), strings.Contains(text, "repository name not known"):
		what = sayf("Registry %s has no repository %s", r.registry(), r.repo)
	case strings.Contains(text, "manifest unknown") && r.digest == "":
		what = sayf("Repository %s has no tag %s", short(r.familiar()), r.tag)
	}
	near, hint, ok := f.meant(p, c)
	rollback := f.rollback(p, near.image)
	var fixes []analyzers.Fix
	var evidence []analyzers.Evidence
	// A version that only differs in its digits is rather not pushed yet than misspelled:
	// then the image that the workload had is the surer way out.
	if ok && (!near.version || len(rollback) == 0) {
		why := "Use the image that was probably meant"
		if !near.owner.IsZero() {
			why = "Use the image that " + near.owner.String() + " has"
			evidence = append(evidence, analyzers.Evidence{Source: near.owner.String(), Path: "image", Quote: analyzers.Quote(near.image)})
		}
		fixes = append(fixes, f.setImage(p, near.image, why))
	} else {
		rollback, hint = f.rollback(p, ""), ""
	}
	fixes = append(fixes, rollback...)
	if len(fixes) == 0 {
		fixes = append(fixes, f.setImage(p, r.familiar()+":<tag>", "Take a tag that exists in the registry"))
	}
	f.report(p, analyzers.Finding{Summary: sentence(what, hint), Evidence: f.evidence(evidence...), Fixes: fixes})
}

// meant is the image that exists and is nearest in name, with what to say of it.
func (f *pull) meant(p *analyzers.Pass, c *catalog) (u use, hint string, ok bool) {
	u, ok = c.near(p, f.image)
	if !ok {
		return use{}, "", false
	}
	if u.version {
		return u, "; the cluster runs " + short(u.image), true
	}
	return u, "; " + short(u.image) + " was probably meant", true
}
