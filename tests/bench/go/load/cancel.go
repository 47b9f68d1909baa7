package main

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// CancelMode leaves streams at random points, before and after the first token,
// and learns from the upstream when it saw its socket close.
func cancelMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	upstream := flags.String("upstream", "", "base URL of the fake upstream")
	callers := flags.Int("callers", 20, "streams at a time")
	count := flags.Int("count", 1000, "streams to cancel")
	return func() any {
		clients := connect(*target, *callers)
		before := askLedger(*upstream) // forgets earlier cuts
		var calls atomic.Int64
		var lock sync.Mutex
		var results outcomes
		left := map[int64]int64{}
		var group sync.WaitGroup
		for caller := range *callers {
			group.Go(func() {
				for id := calls.Add(1); id <= int64(*count); id = calls.Add(1) {
					ctx, cancel := context.WithCancel(context.Background())
					timer := time.AfterFunc(randomUpTo(200*time.Millisecond), func() {
						lock.Lock()
						left[id] = monotonicNs()
						lock.Unlock()
						cancel()
					})
					o := order{
						mode: "paced", tokens: 10_000, interval: 20 * time.Millisecond,
						wait: randomUpTo(30 * time.Millisecond), id: id,
					}
					results.add(stream(ctx, clients[caller%len(clients)], o, func(int) {}))
					timer.Stop()
					cancel()
				}
			})
		}
		group.Wait()
		delays, begun := matchCuts(*upstream, left)
		return map[string]any{
			"closed_after_ns": delays, "begun": begun - before.Begun, "left": len(left), "outcomes": results.counts,
		}
	}
}

// MatchCuts returns how long each socket took to close. Calls that were left
// before they reached the upstream have none; the second result counts the others.
func matchCuts(upstream string, left map[int64]int64) ([]int64, int64) {
	delays := []int64{}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		now := askLedger(upstream)
		for _, cut := range now.Cuts {
			delays = append(delays, cut.ClosedNs-left[cut.ID])
		}
		if now.Chats == 0 || time.Now().After(deadline) {
			return delays, now.Begun
		}
	}
}

func randomUpTo(span time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(span)))
}
