package redact

import "strings"

// Base64 of what the JSON header of a token begins with (RFC 7515, RFC 7516):
// {"alg":  {"typ"  {"kid"  {"enc"  {"cty"  {"x5  {"zip". A header cut off
// before its dot is known by these.
var jwtHeads = [...]string{"eyJhbGciOi", "eyJ0eXAi", "eyJraWQi", "eyJlbmMi", "eyJjdHki", "eyJ4NX", "eyJ6aXAi"}

// Base64 of {"auths": as docker login, kubectl create secret docker-registry,
// and an indented ~/.docker/config.json write it.
var dockerHeads = [...]string{"eyJhdXRocyI6", "ewogICJhdXRocyI", "ewoJImF1dGhzIjog", "eyAiYXV0aHMi"}

// jwt masks a token or a registry configuration whose base64 has its "eyJ" end
// at s[i]. Other base64 of JSON is left to the entropy check.
func (sc *scanner) jwt(i int) int {
	s := sc.s
	if i < 2 || s[i-1] != 'y' || s[i-2] != 'e' {
		return i
	}
	start := i - 2
	if sc.wordEnd < i {
		sc.wordEnd = i + spanOf(s, i, "-_")
	}
	end := sc.wordEnd
	if end-start < 8 {
		return i
	}
	parts := 1
	for end+1 < len(s) && s[end] == '.' && parts < 5 {
		n := spanOf(s, end+1, "-_")
		// Only a JWE with a direct key has an empty part: two dots. A single
		// dot ends the sentence.
		if n == 0 && s[end+1] != '.' {
			break
		}
		end += 1 + n
		parts++
	}
	if parts > 1 && end-start >= 20 {
		return sc.add(start, end, kindJWT)
	}
	for _, h := range dockerHeads {
		if strings.HasPrefix(s[start:], h) {
			return sc.add(start, start+base64Len(s, start), kindDockerConfig)
		}
	}
	for _, h := range jwtHeads {
		if strings.HasPrefix(s[start:], h) {
			return sc.add(start, end, kindJWT)
		}
	}
	return i
}

// base64Len returns the length of the base64 text at s[i], padding included.
func base64Len(s string, i int) int {
	j := i + spanOf(s, i, "+/-_")
	for j < len(s) && s[j] == '=' {
		j++
	}
	return j - i
}
