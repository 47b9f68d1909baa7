package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"time"
)

const doomedFaulty = 0.5 // share of a doomed provider's requests that get its lasting fault

var (
	errCut  = errors.New("cut")
	failure = []byte("HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 32\r\n\r\n" +
		`{"error":"something went wrong"}`)
)

// Chat answers at once, or hands the answer to the pacer and returns: reading on
// is then what notices the end of the connection.
func (p *peer) chat(o order, doomed int) error {
	p.begin(o)
	switch *o.dialect.conduct.Load() {
	case cutting:
		p.done()
		return errCut
	case failing:
		p.done()
		_, err := p.conn.Write(failure)
		return err
	case holding:
		time.Sleep(5 * time.Second)
	}
	if doomed >= 0 && o.faulty > 0 && rand.Float64() < doomedFaulty {
		return p.fail(o.dialect, o.dialect.lasting(doomed))
	}
	if rand.Float64() < o.faulty {
		return p.fail(o.dialect, o.dialect.draw())
	}
	offset := int(uint64(o.id) % uint64(len(words)))
	switch o.mode {
	case "paced":
		p.house.pacer.add(p, o, offset)
		return nil
	case "bulk":
		return p.writeEach(o.dialect.last(o.tokens), o.tokens, func(i int) []byte { return o.dialect.line(i, offset) })
	case "call":
		last := len(piecesOfCall) - 1
		return p.writeEach(piecesOfCall[last], last, func(i int) []byte { return piecesOfCall[i] })
	}
	time.Sleep(o.wait)
	var whole bytes.Buffer
	for i := range max(o.tokens, 1) {
		whole.Write(o.dialect.line(i, offset))
	}
	whole.Write(o.dialect.last(o.tokens))
	p.done()
	_, err := p.conn.Write(whole.Bytes())
	return err
}

// WriteEach writes so many chunks, and the last one.
func (p *peer) writeEach(last []byte, count int, chunk func(i int) []byte) error {
	for i := range count {
		if _, err := p.conn.Write(chunk(i)); err != nil {
			return err
		}
	}
	p.done()
	_, err := p.conn.Write(last)
	return err
}

func (p *peer) begin(o order) {
	p.chatID.Store(o.id)
	p.busy.Store(true)
	p.house.ledger.change(func(l *ledger) {
		l.Chats++
		l.Begun++
		if o.tallied {
			l.Asked[o.dialect.name]++
			l.tally[o.id]++
		}
	})
}

// Fail gives a fault. A silent one leaves the chat under way until the peer goes.
func (p *peer) fail(d *dialect, one fault) error {
	p.house.ledger.change(func(l *ledger) { l.Faults[d.name+" "+one.row]++ })
	if !one.silent {
		p.done()
	}
	if _, err := io.WriteString(p.conn, one.bytes); err != nil {
		return err
	}
	if one.closes {
		return errCut
	}
	return nil
}

// Done is said before the last write: a peer that closes on reading the end
// has cut nothing.
func (p *peer) done() {
	p.busy.Store(false)
	p.house.ledger.change(func(l *ledger) { l.Chats-- })
}
