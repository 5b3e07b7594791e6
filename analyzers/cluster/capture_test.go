package cluster

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func sample() *Snapshot {
	b := NewBuilder(Info{Context: "prod", Version: "v1.37.2", CapturedAt: t0, Namespaces: []string{"shop"}})
	b.Add(
		pod("shop", "web", func(p *corev1.Pod) { p.Labels = map[string]string{"app": "web"} }),
		&corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "e"}, Message: "<a&b> \u00e9"},
		&Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Keys: []string{"password"}},
	)
	b.AddAccess(Access{Kind: "Pod", State: Complete}, Access{Kind: "Secret", Namespace: "shop", State: Forbidden, Why: "403", Hint: "ask"})
	b.AddLog(Log{Namespace: "shop", Pod: "web", Container: "c", Previous: true, Text: "panic: x\n"})
	return b.Build()
}

func write(t *testing.T, s *Snapshot) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteCapture(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCaptureRoundTrip(t *testing.T) {
	data := write(t, sample())
	s, err := ReadCapture(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if again := write(t, s); !bytes.Equal(data, again) {
		t.Error("a capture that was read and written again differs")
	}
	if s.Info().Context != "prod" || !s.Now().Equal(t0) || s.Sees(Secrets, "shop") || !s.Sees(Pods, "shop") {
		t.Errorf("info %+v, access %+v", s.Info(), s.Access(Secrets))
	}
	web, _ := Find[*corev1.Pod](s, "shop", "web")
	if l, ok := s.Log(web, "c", true); !ok || l.Text != "panic: x\n" {
		t.Errorf("log %+v", l)
	}
	if _, ok := s.Log(web, "c", false); ok {
		t.Error("a log that was never read")
	}
}

func zipped(lines ...string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, werr := z.Write([]byte(strings.Join(lines, "\n")))
	if err := errors.Join(werr, z.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

const header = `{"format":"fathom-capture","version":1,"info":{"capturedAt":"2026-03-01T12:00:00Z"}}`

func TestReadCaptureRefuses(t *testing.T) {
	whole := write(t, sample())
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":          {nil, ErrNotCapture.Error()},
		"text":           {[]byte("apiVersion: v1\n"), ErrNotCapture.Error()},
		"other gzip":     {zipped("hello"), ErrNotCapture.Error()},
		"other format":   {zipped(`{"format":"zip","version":1}`), ErrNotCapture.Error()},
		"newer":          {zipped(strings.Replace(header, `:1,`, `:9,`, 1), ""), "use a newer fathom"},
		"cut":            {whole[:len(whole)-20], "cut short"},
		"cut at a line":  {zipped(header, `{"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}}`, ""), "cut short"},
		"wrong count":    {zipped(header, `{"end":{"objects":3,"logs":0}}`, ""), "damaged"},
		"garbage line":   {zipped(header, `{"object":`, ""), "damaged at line 2"},
		"no line kind":   {zipped(header, `{}`, ""), "damaged at line 2"},
		"climbing name":  {zipped(header, `{"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"../../etc/passwd"}}}`, ""), "impossible name"},
		"control name":   {zipped(header, `{"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a\u001b[2J"}}}`, ""), "impossible name"},
		"deep":           {zipped(header, `{"object":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+`}`, ""), "damaged"},
		"a huge line":    {zipped(header, `{"log":{"text":"`+strings.Repeat("x", maxCaptureLine)+`"}}`, ""), "larger than any real capture"},
		"type confusion": {zipped(header, `{"object":{"apiVersion":"v1","kind":"Pod","spec":"no"}}`, ""), "damaged"},
	} {
		_, err := ReadCapture(bytes.NewReader(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestReadCaptureSkipsUnknownKinds(t *testing.T) {
	s, err := ReadCapture(bytes.NewReader(zipped(header, `{"object":{"apiVersion":"later/v1","kind":"New"}}`, `{"end":{"objects":1,"logs":0}}`, "")))
	if err != nil || s.Count() != 0 {
		t.Errorf("%v, %v", s, err)
	}
}

func TestDecodeKeepsNoSecretValue(t *testing.T) {
	o, err := DecodeObject([]byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"type":"Opaque","data":{"b":"c2VjcmV0"},"stringData":{"a":"hunter2"}}`))
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(Info{})
	b.Add(o)
	s := b.Build()
	secret, _ := Find[*Secret](s, "", "s")
	if strings.Join(secret.Keys, ",") != "a,b" {
		t.Errorf("keys %q", secret.Keys)
	}
	for _, l := range []string{"hunter2", "c2VjcmV0"} {
		if unzipped := gunzip(t, write(t, s)); strings.Contains(unzipped, l) {
			t.Errorf("%q is in the capture", l)
		}
	}
}

func gunzip(t *testing.T, data []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// FuzzReadCapture feeds lines behind a good header: no input may panic, and what is
// read must survive being written and read again.
func FuzzReadCapture(f *testing.F) {
	f.Add(`{"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b"}}}`)
	f.Add(`{"log":{"namespace":"a","pod":"b","container":"c","text":"x"}}`)
	f.Add(`{"object":{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"k":"v"}}}`)
	f.Fuzz(func(t *testing.T, line string) {
		s, err := ReadCapture(bytes.NewReader(zipped(header, line, `{"end":{"objects":1,"logs":0}}`, "")))
		if err != nil {
			return
		}
		first := write(t, s)
		again, err := ReadCapture(bytes.NewReader(first))
		if err != nil {
			if errors.Is(err, errTooLarge) {
				return
			}
			t.Fatalf("cannot read what was written: %v", err)
		}
		if !bytes.Equal(first, write(t, again)) {
			t.Error("not the same after a second round")
		}
	})
}
