package redact

// A kind says what a secret was recognised as. The order is that of
// precision: when two detectors claim the same text the smaller kind names it.
type kind uint8

const (
	kindPEM kind = iota
	kindJWT
	kindAWS
	kindGCP
	kindAzure
	kindGitHub
	kindGitLab
	kindSlack
	kindAnthropic
	kindOpenAI
	kindNPM
	kindStripe
	kindSendGrid
	kindTelegram
	kindDiscord
	kindVendor
	kindDockerConfig
	kindUserinfo
	kindAuthorization
	kindSecretData
	kindPassword
	kindEntropy
)

var kindNames = [...]string{
	kindPEM:           "pem",
	kindJWT:           "jwt",
	kindAWS:           "aws-key",
	kindGCP:           "gcp",
	kindAzure:         "azure",
	kindGitHub:        "github",
	kindGitLab:        "gitlab",
	kindSlack:         "slack",
	kindAnthropic:     "anthropic",
	kindOpenAI:        "openai",
	kindNPM:           "npm",
	kindStripe:        "stripe",
	kindSendGrid:      "sendgrid",
	kindTelegram:      "telegram",
	kindDiscord:       "discord",
	kindVendor:        "token",
	kindDockerConfig:  "dockerconfig",
	kindUserinfo:      "userinfo",
	kindAuthorization: "authorization",
	kindSecretData:    "secret-data",
	kindPassword:      "password",
	kindEntropy:       "entropy",
}

// generic reports whether k names the place a secret stood in, not what it is.
func (k kind) generic() bool { return k >= kindUserinfo }
