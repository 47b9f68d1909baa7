package main

import (
	"sync"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// Reason is the typed reason in a status; empty if it has none.
func reason(said *status.Status) string {
	for _, detail := range said.Details() {
		if info, is := detail.(*errdetails.ErrorInfo); is {
			return info.GetReason()
		}
	}
	return ""
}

// Tally counts texts.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (t *tally) add(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.counts[text]++
}
