package main

import (
	"log"
	"net"
	"sync"
)

// Gate is a second port that can refuse connections, as a server does that is
// not there.
type gate struct {
	mu       sync.Mutex
	address  string
	listener net.Listener
	peers    map[*net.TCPConn]bool
	serve    func(*net.TCPConn)
}

// Shut refuses new connections and resets the others.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener == nil {
		return
	}
	_ = g.listener.Close()
	g.listener = nil
	for conn := range g.peers {
		_ = conn.SetLinger(0)
		_ = conn.CloseRead() // wakes its reader, which closes the rest
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil || g.address == "" {
		return
	}
	listener, err := net.Listen("tcp", g.address)
	if err != nil {
		log.Fatal(err)
	}
	g.listener = listener
	go g.accept(listener)
}

func (g *gate) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // shut
		}
		tcp := conn.(*net.TCPConn)
		g.mu.Lock()
		g.peers[tcp] = true
		g.mu.Unlock()
		go func() {
			g.serve(tcp)
			g.mu.Lock()
			delete(g.peers, tcp)
			g.mu.Unlock()
		}()
	}
}
