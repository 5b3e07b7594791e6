package redact

import (
	"encoding/base64"
	"math/rand/v2"
)

// Test secrets are put together here, so that no scanner of this repository
// takes them for leaks.

const (
	digits  = "0123456789"
	lowers  = "abcdefghijklmnopqrstuvwxyz"
	uppers  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alnums  = uppers + lowers + digits
	hexes   = digits + "abcdef"
	base64s = alnums + "+/"
	urlSafe = alnums + "-_"
)

// drawn returns n characters of the alphabet, the same ones for the same seed.
func drawn(seed uint64, alphabet string, n int) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return string(b)
}

func b64(s string) string    { return base64.StdEncoding.EncodeToString([]byte(s)) }
func b64url(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

var (
	sampleJWT = b64url(`{"alg":"RS256","kid":"Zx1"}`) + "." + b64url(`{"iss":"https://kubernetes.default.svc","sub":"system:serviceaccount:shop:api"}`) + "." + drawn(1, urlSafe, 86)
	sampleJWE = b64url(`{"alg":"dir","enc":"A256GCM"}`) + ".." + drawn(2, urlSafe, 16) + "." + drawn(3, urlSafe, 60) + "." + drawn(4, urlSafe, 22)

	sampleAWSID     = "AK" + "IA" + drawn(5, uppers+"234567", 16)
	sampleAWSTempID = "AS" + "IA" + drawn(6, uppers+"234567", 16)
	sampleAWSSecret = drawn(7, base64s, 40)

	sampleGCPKey    = "AI" + "za" + drawn(8, urlSafe, 35)
	sampleGCPOAuth  = "ya" + "29." + drawn(9, urlSafe, 60)
	sampleGCPClient = "GOC" + "SPX-" + drawn(10, urlSafe, 28)

	sampleAzureKey    = drawn(11, base64s, 86) + "=="
	sampleAzureSAS    = drawn(12, alnums, 41) + "%3D"
	sampleAzureClient = drawn(13, alnums, 3) + "8" + "Q~" + drawn(14, alnums+"_.-", 33) + "x"

	sampleGitHub     = "gh" + "p_" + drawn(15, alnums, 36)
	sampleGitHubApp  = "gh" + "s_" + drawn(16, alnums, 36)
	sampleGitHubFine = "github" + "_pat_" + drawn(17, alnums, 22) + "_" + drawn(18, alnums, 59)
	sampleGitLab     = "gl" + "pat-" + drawn(19, urlSafe, 20)
	sampleGitLabNew  = "gl" + "pat-" + drawn(20, urlSafe, 27) + ".01." + drawn(21, lowers+digits, 9)
	sampleSlackBot   = "xo" + "xb-" + drawn(22, digits, 12) + "-" + drawn(23, digits, 12) + "-" + drawn(24, alnums, 24)
	sampleSlackApp   = "xa" + "pp-1-A" + drawn(25, uppers+digits, 10) + "-" + drawn(26, digits, 13) + "-" + drawn(27, hexes, 64)
	sampleSlackHook  = "T" + drawn(28, uppers+digits, 8) + "/B" + drawn(29, uppers+digits, 8) + "/" + drawn(30, alnums, 24)
	sampleOpenAI     = "sk" + "-" + drawn(31, alnums, 48)
	sampleOpenAIProj = "sk" + "-proj-" + drawn(32, urlSafe, 60)
	sampleAnthropic  = "sk" + "-ant-api03-" + drawn(33, urlSafe, 93) + "AA"
	sampleNPM        = "np" + "m_" + drawn(34, alnums, 36)
	sampleStripe     = "sk" + "_live_" + drawn(35, alnums, 24)
	sampleStripeR    = "rk" + "_live_" + drawn(36, alnums, 24)
	sampleStripeHook = "wh" + "sec_" + drawn(37, alnums, 32)
	sampleSendGrid   = "S" + "G." + drawn(38, urlSafe, 22) + "." + drawn(39, urlSafe, 43)
	sampleTelegram   = drawn(40, "123456789", 10) + ":AA" + drawn(41, urlSafe, 33)
	sampleDiscord    = drawn(42, "123456789", 18) + "/" + drawn(43, urlSafe, 68)
	sampleVault      = "hv" + "s." + drawn(44, urlSafe, 24)
	sampleDocker     = "dckr" + "_pat_" + drawn(45, urlSafe, 27)
	sampleHF         = "h" + "f_" + drawn(46, alnums, 34)
	sampleGrafana    = "gl" + "sa_" + drawn(47, alnums, 32) + "_" + drawn(48, hexes, 8)
	samplePyPI       = "py" + "pi-AgEIcHlwaS5vcmc" + drawn(49, urlSafe, 100)
	sampleDOcean     = "dop" + "_v1_" + drawn(50, hexes, 64)

	sampleBase64 = drawn(51, base64s, 44)
	sampleHex    = drawn(52, hexes, 32)
	sampleHex64  = drawn(53, hexes, 64)
	sampleMixed  = drawn(54, alnums, 32)
	sampleBase36 = drawn(55, lowers+digits, 32)

	sampleDockerConfig = `{"auths":{"ghcr.io":{"username":"bot","password":"hunter2hunter2","auth":"` + b64("bot:hunter2hunter2") + `"}}}`
)

// pemBody is the inside of a key, in lines of 64 as openssl writes them.
func pemBody(newline string) string {
	s := drawn(60, base64s, 64) + newline + drawn(61, base64s, 64) + newline + drawn(62, base64s, 38) + "=="
	return s
}

func pemBlock(label, newline string) string {
	return "-----BEGIN " + label + "-----" + newline + pemBody(newline) + newline + "-----END " + label + "-----"
}

// structured are the secrets known by their own form, wherever they stand.
var structured = []struct {
	kind   string
	secret string
}{
	{"jwt", sampleJWT},
	{"jwt", sampleJWE},
	{"aws-key", sampleAWSID},
	{"aws-key", sampleAWSTempID},
	{"gcp", sampleGCPKey},
	{"gcp", sampleGCPOAuth},
	{"gcp", sampleGCPClient},
	{"azure", sampleAzureClient},
	{"github", sampleGitHub},
	{"github", sampleGitHubApp},
	{"github", sampleGitHubFine},
	{"gitlab", sampleGitLab},
	{"gitlab", sampleGitLabNew},
	{"slack", sampleSlackBot},
	{"slack", sampleSlackApp},
	{"openai", sampleOpenAI},
	{"openai", sampleOpenAIProj},
	{"anthropic", sampleAnthropic},
	{"npm", sampleNPM},
	{"stripe", sampleStripe},
	{"stripe", sampleStripeR},
	{"stripe", sampleStripeHook},
	{"sendgrid", sampleSendGrid},
	{"telegram", sampleTelegram},
	{"token", sampleVault},
	{"token", sampleDocker},
	{"token", sampleHF},
	{"token", sampleGrafana},
	{"token", samplePyPI},
	{"token", sampleDOcean},
	{"dockerconfig", b64(sampleDockerConfig)},
	{"pem", pemBlock("RSA PRIVATE KEY", "\n")},
	{"pem", pemBlock("PRIVATE KEY", `\n`)},
	{"pem", b64(pemBlock("EC PRIVATE KEY", "\n"))},
	{"entropy", sampleBase64},
	{"entropy", sampleMixed},
	{"entropy", sampleHex},
	{"entropy", sampleHex64},
	{"entropy", sampleBase36},
}
