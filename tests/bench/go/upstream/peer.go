package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	tags = `{"models":[{"name":"phi3:mini","model":"phi3:mini","modified_at":"2026-11-25T02:22:13.438711032Z","size":2176178913,"digest":"4f222292793889a9a40a020799cfd28d53f3e01af25d48e06c5e708610fc47e9","details":{"parent_model":"","format":"gguf","family":"phi3","families":["phi3"],"parameter_size":"3.8B","quantization_level":"Q4_0"}}]}`
	ps   = `{"models":[{"name":"phi3:mini","model":"phi3:mini","size":3600000000,"digest":"4f222292793889a9a40a020799cfd28d53f3e01af25d48e06c5e708610fc47e9","details":{"parent_model":"","format":"gguf","family":"phi3","families":["phi3"],"parameter_size":"3.8B","quantization_level":"Q4_0"},"expires_at":"2319-03-07T02:12:21.669868774Z","size_vram":0,"context_length":2048}]}`
)

// Peer serves one connection, one request after the other.
type peer struct {
	conn   *net.TCPConn
	fd     int
	ledger *ledger
	pacer  *pacer
	chatID atomic.Int64 // of the answer under way, or -1
	busy   atomic.Bool
}

func newPeer(conn *net.TCPConn, ledger *ledger, pacer *pacer) *peer {
	result := &peer{conn: conn, ledger: ledger, pacer: pacer}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { result.fd = int(fd) })
	}
	if err != nil {
		panic(err)
	}
	return result
}

func (p *peer) serve() {
	p.ledger.change(func(l *ledger) { l.Connections++ })
	reader := bufio.NewReaderSize(p.conn, 8192)
	for {
		path, body, err := readRequest(reader)
		if err != nil || p.answer(path, body) != nil {
			break
		}
	}
	closedNs := monotonicNs()
	p.pacer.remove(p) // no write may follow, the descriptor is about to be reused
	p.ledger.change(func(l *ledger) {
		l.Connections--
		if p.busy.Load() {
			l.Chats--
			l.Cuts = append(l.Cuts, cut{ID: p.chatID.Load(), ClosedNs: closedNs})
		}
	})
	_ = p.conn.Close()
}

func (p *peer) answer(path string, body []byte) error {
	switch path {
	case "/api/chat":
		return p.chat(parseOrder(body))
	case "/api/tags":
		return p.document(tags)
	case "/api/ps":
		return p.document(ps)
	case "/api/version":
		return p.document(`{"version":"0.24.0"}`)
	case "/bench/ledger":
		return p.document(string(p.ledger.take()))
	}
	_, err := io.WriteString(p.conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	return err
}

func (p *peer) document(text string) error {
	_, err := fmt.Fprintf(p.conn,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s",
		len(text), text)
	return err
}

// Chat answers at once, or hands the answer to the pacer and returns: reading on
// is then what notices the end of the connection.
func (p *peer) chat(o order) error {
	p.chatID.Store(o.id)
	p.busy.Store(true)
	p.ledger.change(func(l *ledger) { l.Chats++; l.Begun++ })
	offset := int(uint64(o.id) % uint64(len(words)))
	switch o.mode {
	case "paced":
		p.pacer.add(p, o, offset)
		return nil
	case "bulk":
		for i := range o.tokens {
			if _, err := p.conn.Write(line(i, offset)); err != nil {
				return err
			}
		}
		p.done()
		_, err := p.conn.Write(last(o.tokens))
		return err
	}
	time.Sleep(o.wait)
	var whole bytes.Buffer
	whole.Write(line(0, offset))
	for i := 1; i < o.tokens; i++ {
		whole.Write(line(i, offset))
	}
	whole.Write(last(o.tokens))
	p.done()
	_, err := p.conn.Write(whole.Bytes())
	return err
}

// Done is said before the last write: a peer that closes on reading the end
// has cut nothing.
func (p *peer) done() {
	p.busy.Store(false)
	p.ledger.change(func(l *ledger) { l.Chats-- })
}

// ReadRequest returns path and body of the next request; only what this
// benchmark's clients send is understood.
func readRequest(reader *bufio.Reader) (string, []byte, error) {
	first, err := reader.ReadSlice('\n')
	if err != nil {
		return "", nil, err
	}
	parts := bytes.SplitN(first, []byte(" "), 3)
	if len(parts) < 3 {
		return "", nil, fmt.Errorf("not HTTP")
	}
	path, length := string(parts[1]), 0
	for {
		header, err := reader.ReadSlice('\n')
		if err != nil {
			return "", nil, err
		}
		name, value, found := bytes.Cut(header, []byte(":"))
		if !found {
			break
		}
		if bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return "", nil, err
			}
		}
		if bytes.EqualFold(name, []byte("transfer-encoding")) {
			return "", nil, fmt.Errorf("chunked requests are not understood")
		}
	}
	body := make([]byte, length)
	_, err = io.ReadFull(reader, body)
	return path, body, err
}
