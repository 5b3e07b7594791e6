package cluster

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A capture file is a gzip stream of JSON lines: a header, one line an object or log,
// and a last line that counts them, so that a file cut short is noticed.
const (
	captureFormat  = "fathom-capture"
	captureVersion = 1

	maxCaptureLine  = 8 << 20 // an object in etcd is at most 1.5 MiB; JSON needs more
	maxCaptureBytes = 4 << 30 // unpacked; ten times what 50,000 pods take
)

// ErrNotCapture is returned for a file that is no capture at all.
var ErrNotCapture = errors.New("not a capture file")

type captureHeader struct {
	Format  string   `json:"format"`
	Version int      `json:"version"`
	Info    Info     `json:"info"`
	Access  []Access `json:"access"`
	Health  []Health `json:"health,omitempty"`
}

type captureLine struct {
	Object json.RawMessage `json:"object,omitempty"`
	Log    *Log            `json:"log,omitempty"`
	End    *captureEnd     `json:"end,omitempty"`
}

type captureEnd struct {
	Objects int `json:"objects"`
	Logs    int `json:"logs"`
}

// WriteCapture writes s. The same Snapshot gives the same bytes.
func WriteCapture(w io.Writer, s *Snapshot) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	enc := json.NewEncoder(z)
	enc.SetEscapeHTML(false)
	header := captureHeader{Format: captureFormat, Version: captureVersion, Info: s.info, Health: s.health}
	var end captureEnd
	for _, k := range kinds {
		for _, a := range s.access[k.GroupKind()] {
			if a.State != NotCollected {
				header.Access = append(header.Access, a)
			}
		}
	}
	if err := enc.Encode(header); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	for _, k := range kinds {
		for _, o := range s.objects[k.GroupKind()] {
			data, err := json.Marshal(o)
			if err != nil {
				return fmt.Errorf("write %s: %w", RefOf(o), err)
			}
			end.Objects++
			if err := enc.Encode(captureLine{Object: data}); err != nil {
				return fmt.Errorf("write capture: %w", err)
			}
		}
	}
	for _, l := range s.Logs() {
		end.Logs++
		if err := enc.Encode(captureLine{Log: &l}); err != nil {
			return fmt.Errorf("write capture: %w", err)
		}
	}
	if err := enc.Encode(captureLine{End: &end}); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}

// ReadCapture reads what WriteCapture wrote. It returns ErrNotCapture for another kind
// of file, and an error that says so for one that is cut short, damaged, larger than
// any real one, or of a newer version.
func ReadCapture(r io.Reader) (*Snapshot, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, ErrNotCapture
	}
	in := bufio.NewReaderSize(&countingReader{r: z, left: maxCaptureBytes}, 64<<10)
	line, err := readLine(in)
	var header captureHeader
	if err != nil || json.Unmarshal(line, &header) != nil || header.Format != captureFormat {
		return nil, ErrNotCapture
	}
	if header.Version > captureVersion {
		return nil, fmt.Errorf("the capture has version %d and this fathom reads up to %d: use a newer fathom", header.Version, captureVersion)
	}
	b := NewBuilder(header.Info)
	b.AddAccess(header.Access...)
	for _, h := range header.Health {
		b.AddHealth(h)
	}
	for n := 2; ; n++ {
		line, err := readLine(in)
		if err != nil {
			return nil, captureError(n, err)
		}
		var l captureLine
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, captureError(n, err)
		}
		switch {
		case l.Object != nil:
			o, err := DecodeObject(l.Object)
			if err != nil {
				return nil, captureError(n, err)
			}
			if o != nil { // a kind of a later release: the rest is still of use
				b.Add(o)
			}
		case l.Log != nil:
			b.AddLog(*l.Log)
		case l.End != nil:
			if l.End.Objects+l.End.Logs != n-2 {
				return nil, fmt.Errorf("the capture is damaged: %d lines, and it says %d", n-2, l.End.Objects+l.End.Logs)
			}
			return b.Build(), nil
		default:
			return nil, captureError(n, errors.New("neither an object nor a log"))
		}
	}
}

func captureError(line int, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the capture ends in the middle, at line %d: it was cut short; make it again with fathom capture", line)
	}
	return fmt.Errorf("the capture is damaged at line %d: %w", line, err)
}

var errTooLarge = errors.New("it is larger than any real capture")

// readLine returns the next line without its end; a line over maxCaptureLine is an error.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxCaptureLine {
			return nil, errTooLarge
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return bytes.TrimSuffix(line, []byte("\n")), nil
	}
}

type countingReader struct {
	r    io.Reader
	left int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooLarge
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	return n, err
}
