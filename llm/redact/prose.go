package redact

import "strings"

// proseWords follow a secret-sounding word in error messages and usage texts:
// "token: not found", "--password is required", "--token string". Kubernetes
// and its clients write such lines all day; nobody has these as a password.
var proseWords = set(`a an the this that these those no not none is isn't are aren't was wasn't were be been being has have had
	do does did doesn't didn't can can't cannot could couldn't will would won't must should may might
	and or but if when while for from in into of on at by to with without via per as than then
	unable failed fails failure error errors invalid unknown unexpected unsupported unauthorized unauthenticated forbidden denied
	rejected refused revoked expired incorrect wrong bad mismatch missing required requires require empty malformed corrupt too
	exceeded context signature authentication authorization authenticating permission access timeout timed deadline
	get got put post patch delete list watch rpc dial open read write request response status http https tcp lookup
	eof please expected unexpected wanted want observed see saw already exists existing found only both either neither any all each every
	secret secrets token tokens password passwords credential credentials key keys configmap configmaps pods pod name user username
	flag flags option options argument string strings stringarray int bool duration file value values type format length
	contains contain skipping using use used uses reading loading fetching getting checking
	refresh refreshing renewing rotating created updated deleted changed issued generated mounted synced`)

// isSentence reports whether word, the first one behind the colon of a
// sentence, is part of that sentence or a field (config=…) rather than a secret.
func isSentence(word string) bool {
	word = strings.TrimRight(word, ".,:;!")
	if word == "" || isProse(word) || !looksSecret(word) {
		return true
	}
	name := spanOf(word, 0, "_-.")
	return name > 1 && name+1 < len(word) && word[name] == '=' && isWord(word[:name])
}

func isProse(word string) bool {
	var buf [20]byte
	return proseWords[string(lower(buf[:], strings.TrimRight(word, ".,:;!")))]
}
