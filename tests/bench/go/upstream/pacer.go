package main

import (
	"container/heap"
	"math/rand/v2"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Paced is one answer that is written token by token.
type paced struct {
	peer   *peer
	order  order
	offset int
	sent   int
	base   int64 // CLOCK_MONOTONIC of token 0, in ns
	due    int64
	index  int // in the heap
}

type dueHeap []*paced

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *dueHeap) Push(x any) {
	item := x.(*paced)
	item.index = len(*h)
	*h = append(*h, item)
}
func (h *dueHeap) Pop() any {
	old := *h
	item := old[len(old)-1]
	*h = old[:len(old)-1]
	return item
}

// Pacer writes every paced token from one thread that sleeps with nanosecond
// timeouts. Go's own timers round to milliseconds when idle, so tokens of
// different streams would leave in groups, and groups are cheaper to relay.
type pacer struct {
	mu     sync.Mutex
	items  dueHeap
	byPeer map[*peer]*paced
	ledger *ledger
	wake   int // eventfd
}

func newPacer(ledger *ledger) *pacer {
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		panic(err)
	}
	return &pacer{byPeer: map[*peer]*paced{}, ledger: ledger, wake: wake}
}

// Add starts an answer: the first token after the order's wait, the phase of
// the others random.
func (p *pacer) add(peer *peer, o order, offset int) {
	base := monotonicNs() + int64(o.wait)
	item := &paced{peer: peer, order: o, offset: offset, base: base, due: base}
	p.mu.Lock()
	defer p.mu.Unlock()
	heap.Push(&p.items, item)
	p.byPeer[peer] = item
	if item.index == 0 {
		_, _ = unix.Write(p.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// Remove forgets the peer's answer; after it returns nothing more is written.
func (p *pacer) remove(peer *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if item := p.byPeer[peer]; item != nil {
		heap.Remove(&p.items, item.index)
		delete(p.byPeer, peer)
	}
}

func (p *pacer) run() {
	runtime.LockOSThread()
	// The kernel's default slack of 50 us would group tokens again.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	polled := []unix.PollFd{{Fd: int32(p.wake), Events: unix.POLLIN}}
	var count [8]byte
	for {
		var timeout *unix.Timespec
		if waitNs, some := p.writeDue(); some {
			span := unix.NsecToTimespec(waitNs)
			timeout = &span
		}
		if ready, _ := unix.Ppoll(polled, timeout, nil); ready > 0 {
			_, _ = unix.Read(p.wake, count[:])
		}
	}
}

// WriteDue sends every token that is due and returns how long the next one has,
// if there is one.
func (p *pacer) writeDue() (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := monotonicNs()
	for len(p.items) > 0 {
		item := p.items[0]
		if item.due > now {
			if now = monotonicNs(); item.due > now {
				return item.due - now, true
			}
		}
		p.write(item, now-item.due)
	}
	return 0, false
}

func (p *pacer) write(item *paced, lateNs int64) {
	text := item.order.dialect.line(item.sent, item.offset)
	item.sent++
	over := item.sent >= item.order.tokens
	if over {
		text = append(append([]byte{}, text...), item.order.dialect.last(item.sent)...)
		heap.Pop(&p.items)
		delete(p.byPeer, item.peer)
		item.peer.done()
	} else {
		item.due = item.next()
		heap.Fix(&p.items, 0)
	}
	written, err := unix.Write(item.peer.fd, text)
	stalled := err == unix.EAGAIN || err == nil && written != len(text)
	p.ledger.change(func(l *ledger) {
		l.Tokens++
		l.LateMaxNs = max(l.LateMaxNs, lateNs)
		if stalled {
			l.Stalls++
		}
	})
}

// Next draws when the coming token is due. Each stream has a random phase, and
// each token a jitter of a fifth of the interval either way, so that no two
// streams stay in step by luck for a whole run.
func (i *paced) next() int64 {
	interval := float64(i.order.interval)
	if i.sent == 1 {
		i.base += int64(rand.Float64() * interval)
	}
	return i.base + int64((float64(i.sent)+0.4*(rand.Float64()-0.5))*interval)
}
