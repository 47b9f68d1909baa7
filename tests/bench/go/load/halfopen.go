package main

import (
	"context"
	"flag"
	"sync"
	"time"
)

const openTime = 11500 * time.Millisecond // longest that a breaker stays open after fast failures

// HalfOpenMode opens the primary's breaker, waits until it lets one call try,
// and sends everybody at once while the primary takes five seconds to answer.
func halfOpenMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	upstream := flags.String("upstream", "", "base URL of the fake upstream")
	callers := flags.Int("callers", 512, "calls at once")
	return func() any {
		clients := connect(*target, *callers)
		chain := []string{"ollama", "openai"}
		control(*upstream, "conduct/ollama/fail")
		for range tripping {
			answer(clients[0], chain, "openai")
		}
		control(*upstream, "conduct/ollama/hold")
		control(*upstream, "tally")
		time.Sleep(openTime)
		var results outcomes
		var lock sync.Mutex
		var group sync.WaitGroup
		answered := map[string]int{}
		start := make(chan struct{})
		for i := range *callers {
			group.Go(func() {
				<-start
				o := order{mode: "whole", tokens: 8, id: int64(i), tallied: true, targets: chain}
				response, err := clients[i%len(clients)].Chat(context.Background(), o.request())
				results.add(err)
				lock.Lock()
				answered[response.GetRoute().GetProvider()]++
				lock.Unlock()
			})
		}
		close(start)
		group.Wait()
		tally := askLedger(*upstream)
		control(*upstream, "conduct/ollama/well")
		answer(clients[0], chain, "ollama") // the one try has closed the breaker
		return map[string]any{"asked": tally.Asked, "answered": answered, "outcomes": results.counts}
	}
}
