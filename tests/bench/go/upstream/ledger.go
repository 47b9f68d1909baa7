package main

import (
	"encoding/json"
	"sync"

	"golang.org/x/sys/unix"
)

// Cut is a chat whose socket closed before its answer was complete.
type cut struct {
	ID       int64 `json:"id"`
	ClosedNs int64 `json:"closed_ns"` // CLOCK_MONOTONIC, comparable across processes
}

// Ledger counts what happened to connections and chats.
type ledger struct {
	mu          sync.Mutex
	Connections int   `json:"connections"` // open now, those of this question left out
	Chatted     int   `json:"chatted"`     // of them, those whose last request was for a chat
	Chats       int   `json:"chats"`       // answers under way now
	Begun       int   `json:"begun"`       // chats since the start
	Tokens      int64 `json:"tokens"`      // paced ones, since the start
	Stalls      int   `json:"stalls"`      // paced writes that met a full socket buffer
	LateMaxNs   int64 `json:"late_max_ns"` // worst lateness of a paced token since the last question
	Cuts        []cut `json:"cuts"`        // since the last question

	Asked  map[string]int `json:"asked"`  // tallied chats by dialect, since the tally began
	Most   int            `json:"most"`   // of them for one id
	Faults map[string]int `json:"faults"` // given, by dialect and row
	Sorts  int            `json:"sorts"`  // how many of those there are
	tally  map[int64]int
}

func newLedger() *ledger {
	return &ledger{Cuts: []cut{}, Asked: map[string]int{}, Faults: map[string]int{}, tally: map[int64]int{}}
}

func (l *ledger) change(edit func(*ledger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	edit(l)
}

// Take returns the ledger as JSON and forgets what is told only once.
func (l *ledger) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Connections-- // the one that asks
	l.Sorts = 0
	for _, one := range dialects {
		l.Sorts += len(one.faults)
	}
	l.Most = 0
	for _, count := range l.tally {
		l.Most = max(l.Most, count)
	}
	text, err := json.Marshal(l)
	l.Connections++
	if err != nil {
		panic(err)
	}
	l.Cuts, l.LateMaxNs = []cut{}, 0
	return text
}

func monotonicNs() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err)
	}
	return now.Nano()
}
