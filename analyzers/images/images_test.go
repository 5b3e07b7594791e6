package images_test

import (
	"testing"

	"github.com/kubefathom/fathom/analyzers/analysistest"
	"github.com/kubefathom/fathom/analyzers/images"
)

func TestNotFound(t *testing.T)     { analysistest.Run(t, images.NotFound, "not-found") }
func TestUnauthorized(t *testing.T) { analysistest.Run(t, images.Unauthorized, "unauthorized") }
func TestRateLimited(t *testing.T)  { analysistest.Run(t, images.RateLimited, "rate-limited") }
func TestUnreachable(t *testing.T)  { analysistest.Run(t, images.Unreachable, "unreachable") }
func TestUntrusted(t *testing.T)    { analysistest.Run(t, images.Untrusted, "untrusted") }
func TestPlatform(t *testing.T)     { analysistest.Run(t, images.Platform, "platform") }
func TestInvalidName(t *testing.T)  { analysistest.Run(t, images.InvalidName, "invalid-name") }
func TestNotLoaded(t *testing.T)    { analysistest.Run(t, images.NotLoaded, "not-loaded") }
func TestUnpulled(t *testing.T)     { analysistest.Run(t, images.Unpulled, "unpulled") }
func TestSlow(t *testing.T)         { analysistest.Run(t, images.Slow, "slow") }
func TestStaleTag(t *testing.T)     { analysistest.Run(t, images.StaleTag, "stale-tag") }
