package redact

import "strings"

// A prefix is what a provider puts in front of its tokens so that scanners
// like this one can find them.
type prefix struct {
	text string // ends in the byte the scanner stops at: - _ .
	kind kind
	min  int    // characters of the alphabet that must follow
	more string // bytes besides letters and digits that min may contain
	word bool   // too short to be looked for inside of a word
}

// The providers' public documentation is the source: docs.github.com "About
// authentication to GitHub", docs.gitlab.com "Token overview", docs.slack.dev
// "Tokens", docs.stripe.com/keys, docs.npmjs.com "About access tokens",
// docs.sendgrid.com "API keys", platform.openai.com and docs.anthropic.com (API
// keys), developer.hashicorp.com/vault "Tokens", docs.docker.com "Access
// tokens", and the token pages of the vendors named by kindVendor's prefixes.
// Lengths are below the documented ones, since logs cut lines off.
var prefixes = []prefix{
	{text: "ghp_", kind: kindGitHub, min: 16},
	{text: "gho_", kind: kindGitHub, min: 16},
	{text: "ghu_", kind: kindGitHub, min: 16},
	{text: "ghs_", kind: kindGitHub, min: 16},
	{text: "ghr_", kind: kindGitHub, min: 16},
	{text: "github_pat_", kind: kindGitHub, min: 16, more: "_"},

	{text: "glpat-", kind: kindGitLab, min: 16, more: "-_"},
	{text: "gldt-", kind: kindGitLab, min: 16, more: "-_"},
	{text: "glrt-", kind: kindGitLab, min: 16, more: "-_"},
	{text: "glcbt-", kind: kindGitLab, min: 16, more: "-_"},
	{text: "glptt-", kind: kindGitLab, min: 16, more: "-_"},
	{text: "glft-", kind: kindGitLab, min: 16, more: "-_"},
	{text: "glimt-", kind: kindGitLab, min: 16, more: "-_"},
	{text: "glagent-", kind: kindGitLab, min: 16, more: "-_"},
	{text: "gloas-", kind: kindGitLab, min: 16, more: "-_"},
	{text: "glsoat-", kind: kindGitLab, min: 16, more: "-_"},

	{text: "xoxb-", kind: kindSlack, min: 10, more: "-"},
	{text: "xoxa-", kind: kindSlack, min: 10, more: "-"},
	{text: "xoxp-", kind: kindSlack, min: 10, more: "-"},
	{text: "xoxr-", kind: kindSlack, min: 10, more: "-"},
	{text: "xoxs-", kind: kindSlack, min: 10, more: "-"},
	{text: "xoxe-", kind: kindSlack, min: 10, more: "-"},
	{text: "xapp-", kind: kindSlack, min: 10, more: "-"},

	{text: "sk-ant-", kind: kindAnthropic, min: 8, more: "-_"},
	{text: "sk-proj-", kind: kindOpenAI, min: 16, more: "-_"},
	{text: "sk-svcacct-", kind: kindOpenAI, min: 16, more: "-_"},
	{text: "sk-admin-", kind: kindOpenAI, min: 16, more: "-_"},
	{text: "sk-or-v1-", kind: kindOpenAI, min: 16, more: "-_"},
	{text: "sk-", kind: kindOpenAI, min: 20, word: true},

	{text: "npm_", kind: kindNPM, min: 20, word: true},
	{text: "sk_live_", kind: kindStripe, min: 10},
	{text: "sk_test_", kind: kindStripe, min: 10},
	{text: "rk_live_", kind: kindStripe, min: 10},
	{text: "rk_test_", kind: kindStripe, min: 10},
	{text: "whsec_", kind: kindStripe, min: 16},
	{text: "SG.", kind: kindSendGrid, min: 16, more: "-_", word: true},

	{text: "ya29.", kind: kindGCP, min: 16, more: "-_", word: true},
	{text: "GOCSPX-", kind: kindGCP, min: 16, more: "-_"},

	{text: "hvs.", kind: kindVendor, min: 20, more: "-_", word: true},  // Vault
	{text: "hvb.", kind: kindVendor, min: 20, more: "-_", word: true},  // Vault, batch
	{text: "hvr.", kind: kindVendor, min: 20, more: "-_", word: true},  // Vault, recovery
	{text: "dckr_pat_", kind: kindVendor, min: 20, more: "-_"},         // Docker Hub
	{text: "dckr_oat_", kind: kindVendor, min: 20, more: "-_"},         // Docker Hub, organization
	{text: "hf_", kind: kindVendor, min: 24, word: true},               // Hugging Face
	{text: "dop_v1_", kind: kindVendor, min: 32},                       // DigitalOcean
	{text: "glsa_", kind: kindVendor, min: 20, more: "_"},              // Grafana
	{text: "pypi-", kind: kindVendor, min: 40, more: "-_", word: true}, // PyPI
	{text: "AGE-SECRET-KEY-", kind: kindVendor, min: 20},               // age
	{text: "gsk_", kind: kindVendor, min: 24, word: true},              // Groq
	{text: "xai-", kind: kindVendor, min: 24, word: true},              // xAI
	{text: "tskey-auth-", kind: kindVendor, min: 16, more: "-"},        // Tailscale
	{text: "tskey-api-", kind: kindVendor, min: 16, more: "-"},         // Tailscale
	{text: "NRAK-", kind: kindVendor, min: 20},                         // New Relic
	{text: "shpat_", kind: kindVendor, min: 20},                        // Shopify
	{text: "lin_api_", kind: kindVendor, min: 20},                      // Linear
	{text: "sntrys_", kind: kindVendor, min: 20, more: "_+/"},          // Sentry
	{text: "pul-", kind: kindVendor, min: 40, word: true},              // Pulumi
}

// prefixIndex finds the prefixes by their last byte but one.
var prefixIndex = func() (t [256][]prefix) {
	for _, p := range prefixes {
		c := p.text[len(p.text)-2]
		t[c] = append(t[c], p)
	}
	return t
}()

// prefixed masks the token whose prefix ends at s[i]. It returns i when none
// does.
func (sc *scanner) prefixed(i int) int {
	if i == 0 {
		return i
	}
	s := sc.s
	list := prefixIndex[s[i-1]]
	for k := range list {
		p := &list[k]
		start := i + 1 - len(p.text)
		if start < 0 || s[start] != p.text[0] || s[start:i+1] != p.text {
			continue
		}
		if p.word && start > 0 && isAlnum(s[start-1]) {
			continue
		}
		if spanOf(s, i+1, p.more) < p.min {
			continue
		}
		// Newer formats append parts in dots or dashes (GitLab's routable
		// tokens, SendGrid's SG.id.secret, Slack's xoxe.xoxp-).
		end := i + 1 + spanOf(s, i+1, "-_")
		for end+1 < len(s) && s[end] == '.' && spanOf(s, end+1, "-_") >= 2 && p.dotted() {
			end += 1 + spanOf(s, end+1, "-_")
		}
		return sc.add(start, end, p.kind)
	}
	return i
}

func (p *prefix) dotted() bool {
	return p.kind == kindSendGrid || p.kind == kindGitLab || p.kind == kindGCP || p.text == "ghs_"
}

// spanOf returns how many letters, digits and bytes of more begin at s[i].
func spanOf(s string, i int, more string) int {
	j := i
	for j < len(s) && (isAlnum(s[j]) || strings.IndexByte(more, s[j]) >= 0) {
		j++
	}
	return j - i
}

// capitalA masks an AWS access key id with the secret key beside it, or a
// Google API key. Prefixes: docs.aws.amazon.com/IAM "IAM identifiers"; Google's
// keys are AIza and 35 characters.
func (sc *scanner) capitalA(i int) int {
	s := sc.s
	if len(s)-i < 20 {
		return i
	}
	switch s[i : i+4] {
	case "AKIA", "ASIA", "ABIA", "ACCA":
		end := i + 4
		for end < len(s) && (isUpper(s[end]) || isDigit(s[end])) {
			end++
		}
		if end-i < 20 {
			return i
		}
		sc.add(i, end, kindAWS)
		sc.awsSecret(end)
		return end
	case "ABSK":
		// Amazon Bedrock: base64 of BedrockAPIKey-…
		if n := base64Len(s, i); n >= 60 && strings.HasPrefix(s[i:], "ABSKQmVkcm9ja") {
			return sc.add(i, i+n, kindAWS)
		}
	case "AIza":
		if n := spanOf(s, i+4, "-_"); n >= 30 {
			return sc.add(i, i+4+n, kindGCP)
		}
	}
	return i
}

// awsSecret looks for the secret key a little after its id: 40 characters of
// base64, which the entropy check would not always tell from a path.
func (sc *scanner) awsSecret(from int) {
	const near = 200
	s := sc.s
	for i := from; i < len(s) && i < from+near; {
		n := spanOf(s, i, "+/")
		if n == 40 && hasUpperAndLower(s[i:i+n]) {
			sc.add(i, i+n, kindAWS)
			return
		}
		i += n + 1
	}
}

func hasUpperAndLower(s string) bool {
	var upper, lower bool
	for i := 0; i < len(s); i++ {
		upper = upper || isUpper(s[i])
		lower = lower || isLower(s[i])
	}
	return upper && lower
}

// entraSecret masks a Microsoft Entra client secret: three characters, a
// digit, Q~ and 31 to 34 more (learn.microsoft.com, Purview "Azure AD client
// secret").
func (sc *scanner) entraSecret(i int) int {
	s := sc.s
	if i < 5 || s[i-1] != 'Q' || !isDigit(s[i-2]) {
		return i
	}
	n := spanOf(s, i+1, "-_.~")
	for n > 0 && s[i+n] == '.' {
		n-- // the sentence ends
	}
	if n < 24 {
		return i
	}
	start := i - 5
	for k := start; k < i-2; k++ {
		if class[s[k]] == classBreak {
			return i
		}
	}
	return sc.add(start, i+1+n, kindAzure)
}

// telegram masks a bot token: the bot's number, a colon and 35 characters
// (core.telegram.org/bots/api).
func (sc *scanner) telegram(i int) int {
	s := sc.s
	j := i
	for j > 0 && i-j <= 12 && isDigit(s[j-1]) {
		j--
	}
	if i-j < 8 || i-j > 12 {
		return i
	}
	if n := spanOf(s, i+1, "-_"); n >= 34 && n <= 36 {
		return sc.add(j, i+1+n, kindTelegram)
	}
	return i
}

// Webhook addresses are secrets by themselves: whoever knows them may post
// (docs.slack.dev "Incoming webhooks", discord.com/developers "Webhook").
var webhooks = [...]struct {
	host, path string
	kind       kind
}{
	{"webhook", ".office.com/webhookb2/", kindVendor}, // Microsoft Teams
	{"hooks", ".slack.com/services/", kindSlack},
	{"hooks", ".slack.com/workflows/", kindSlack},
	{"hooks", ".slack.com/triggers/", kindSlack},
	{"discord", ".com/api/webhooks/", kindDiscord},
	{"discordapp", ".com/api/webhooks/", kindDiscord},
}

// webhook masks what follows the path of a webhook whose host has its first
// dot at s[i].
func (sc *scanner) webhook(i int) int {
	s := sc.s
	if i == 0 || strings.IndexByte("sdpk", s[i-1]) < 0 {
		return i
	}
	for _, w := range webhooks {
		if !strings.HasPrefix(s[i:], w.path) || !strings.HasSuffix(s[:i], w.host) {
			continue
		}
		from := i + len(w.path)
		return sc.add(from, from+spanOf(s, from, "-_/@"), w.kind)
	}
	return i
}
