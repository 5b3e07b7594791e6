package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Streams are the program's input and output, with what is known about them.
type Streams struct {
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	OutTTY bool
	ErrTTY bool
	Width  int // columns of the terminal; 0 when there is none
	env    func(string) (string, bool)
}

func newStreams(in io.Reader, out, errOut io.Writer, env func(string) (string, bool)) *Streams {
	s := &Streams{In: in, Out: out, Err: errOut, env: env}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.OutTTY = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			s.Width = w
		}
	}
	if f, ok := errOut.(*os.File); ok {
		s.ErrTTY = term.IsTerminal(int(f.Fd()))
	}
	return s
}

// useColor follows --color, then NO_COLOR (no-color.org), CLICOLOR_FORCE and TERM.
func (s *Streams) useColor(mode string) bool {
	switch mode {
	case "always":
		return true
	case "never":
		return false
	}
	if v, ok := s.env("NO_COLOR"); ok && v != "" {
		return false
	}
	if v, ok := s.env("CLICOLOR_FORCE"); ok && v != "" && v != "0" {
		return true
	}
	if v, _ := s.env("TERM"); v == "dumb" {
		return false
	}
	return s.OutTTY
}
