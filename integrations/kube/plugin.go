package kube

import (
	"bufio"
	"io"
	"os"
	"strings"
	"sync"
)

// pluginOutput takes what credential plugins write to standard error. client-go gives
// each plugin the os.Stderr that it found when the plugin was first configured, and
// keeps it for the life of the process; so there is one pipe for all of them, which is
// never closed. Without it the text lands in the middle of a terminal UI, and the
// reason for a failed login is lost, as client-go's error only has the exit code.
var pluginOutput pluginPipe

type pluginPipe struct {
	once  sync.Once
	write *os.File

	mu    sync.Mutex
	out   io.Writer
	last  []string
	drain chan struct{}
}

// marker on a line of its own tells that all text before it was read.
const marker = "\x00"

// capture runs configure, in which client-go looks at os.Stderr. Nothing else may use
// that variable meanwhile; a program's own writer is not touched.
func (p *pluginPipe) capture(configure func()) {
	p.once.Do(func() {
		r, w, err := os.Pipe()
		if err != nil {
			return // then plugins write where they always did
		}
		p.write, p.drain = w, make(chan struct{}, 1)
		go p.read(r)
	})
	if p.write != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		saved := os.Stderr
		os.Stderr = p.write
		defer func() { os.Stderr = saved }()
	}
	configure()
}

func (p *pluginPipe) read(r io.Reader) {
	in := bufio.NewReaderSize(r, 4<<10)
	for {
		line, _, err := in.ReadLine()
		if err != nil {
			return
		}
		if string(line) == marker {
			select {
			case p.drain <- struct{}{}:
			default:
			}
			continue
		}
		text := plain(string(line))
		if text == "" {
			continue
		}
		p.mu.Lock()
		p.last = append(p.last, text)
		if len(p.last) > 3 {
			p.last = p.last[1:]
		}
		if p.out != nil {
			_, _ = io.WriteString(p.out, text+"\n")
		}
		p.mu.Unlock()
	}
}

// to sends further text, line by line, to out; nil drops it.
func (p *pluginPipe) to(out io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out, p.last = out, nil
}

// tail is the last lines that a plugin has written.
func (p *pluginPipe) tail() string {
	if p.write == nil {
		return ""
	}
	if _, err := p.write.WriteString(marker + "\n"); err == nil {
		<-p.drain
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.last, "; ")
}
