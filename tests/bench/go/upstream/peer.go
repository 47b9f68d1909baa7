package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
)

const (
	tags = `{"models":[{"name":"phi3:mini","model":"phi3:mini","modified_at":"2026-11-25T02:22:13.438711032Z","size":2176178913,"digest":"4f222292793889a9a40a020799cfd28d53f3e01af25d48e06c5e708610fc47e9","details":{"parent_model":"","format":"gguf","family":"phi3","families":["phi3"],"parameter_size":"3.8B","quantization_level":"Q4_0"}}]}`
	ps   = `{"models":[{"name":"phi3:mini","model":"phi3:mini","size":3600000000,"digest":"4f222292793889a9a40a020799cfd28d53f3e01af25d48e06c5e708610fc47e9","details":{"parent_model":"","format":"gguf","family":"phi3","families":["phi3"],"parameter_size":"3.8B","quantization_level":"Q4_0"},"expires_at":"2319-03-07T02:12:21.669868774Z","size_vram":0,"context_length":2048}]}`
)

// What Ollama says when it was only told to load or to free a model.
var resident = []byte(ollama.head + chunk(`{"model":"phi3:mini","created_at":"2026-11-25T02:25:06.644752740Z","message":{"role":"assistant","content":""},"done_reason":"load","done":true}`+"\n") + "0\r\n\r\n")

// House is what all peers share.
type house struct {
	ledger *ledger
	pacer  *pacer
	gate   *gate
	asked  atomic.Pointer[[]byte] // the body of the latest chat with an Ollama
}

// Peer serves one connection, one request after the other.
type peer struct {
	conn    *net.TCPConn
	fd      int
	house   *house
	chatID  atomic.Int64 // of the answer under way, or -1
	busy    atomic.Bool
	chatted bool // whether its last request was for a chat
}

func newPeer(conn *net.TCPConn, house *house) *peer {
	result := &peer{conn: conn, house: house}
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
	p.house.ledger.change(func(l *ledger) { l.Connections++ })
	reader := bufio.NewReaderSize(p.conn, 8192)
	for {
		path, body, err := readRequest(reader)
		if err != nil || p.answer(path, body) != nil {
			break
		}
	}
	closedNs := monotonicNs()
	p.house.pacer.remove(p) // no write may follow, the descriptor is about to be reused
	p.house.ledger.change(func(l *ledger) {
		l.Connections--
		if p.chatted {
			l.Chatted--
		}
		if p.busy.Load() {
			l.Chats--
			l.Cuts = append(l.Cuts, cut{ID: p.chatID.Load(), ClosedNs: closedNs})
		}
	})
	_ = p.conn.Close()
}

func (p *peer) answer(path string, body []byte) error {
	doomed := -1 // the number of a provider that gives lasting faults
	if rest, is := strings.CutPrefix(path, "/doomed/"); is {
		number, place, _ := strings.Cut(rest, "/")
		doomed, _ = strconv.Atoi(number)
		path = "/" + place
	}
	p.noteUse(path)
	switch path {
	case "/api/chat":
		if isResidency(body) {
			_, err := p.conn.Write(resident)
			return err
		}
		p.house.asked.Store(&body)
		return p.chat(parseOrder(body, ollama), doomed)
	case "/v1/chat/completions":
		return p.chat(parseOrder(body, openai), doomed)
	case "/v1/messages":
		return p.chat(parseOrder(body, anthropic), doomed)
	case "/api/tags":
		return p.document(tags)
	case "/api/ps":
		return p.document(ps)
	case "/api/version":
		return p.document(`{"version":"0.24.0"}`)
	case "/bench/asked":
		if asked := p.house.asked.Load(); asked != nil {
			return p.document(string(*asked))
		}
	case "/bench/ledger":
		return p.document(string(p.house.ledger.take()))
	}
	if strings.HasPrefix(path, "/bench/") {
		return p.control(path)
	}
	_, err := io.WriteString(p.conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	return err
}

// NoteUse keeps count of connections that chats leave open; what asks about
// models or for this count has its own.
func (p *peer) noteUse(path string) {
	chats := path == "/api/chat" || path == "/v1/chat/completions" || path == "/v1/messages"
	if chats == p.chatted {
		return
	}
	p.chatted = chats
	p.house.ledger.change(func(l *ledger) {
		if chats {
			l.Chatted++
		} else {
			l.Chatted--
		}
	})
}

func (p *peer) document(text string) error {
	_, err := fmt.Fprintf(p.conn,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s",
		len(text), text)
	return err
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

// IsResidency tells a request that only loads or frees a model: it has no messages.
func isResidency(body []byte) bool {
	return !bytes.Contains(body, []byte(`"role":`))
}
