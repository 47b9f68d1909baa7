package main

import (
	"context"
	"flag"
	"sync"
	"sync/atomic"
	"time"

	"bench/gen/llmsvcv1"
)

const (
	happyEvery = 5  // one call of so many is the retry-happy client's
	happyTries = 20 // what it makes of one call, without a pause, whatever the status
)

// OutageMode calls at a steady rate while some providers are out. RPCs are
// counted as the server receives them: each repetition is one of its own.
func outageMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	upstream := flags.String("upstream", "", "base URL of the fake upstream")
	rate := flags.Int("rate", 50, "calls a second")
	length := flags.Duration("length", time.Minute, "of the outage")
	out := flags.String("out", "ollama", "providers that are out, comma-separated")
	how := flags.String("how", "cut", "what they do: cut or fail")
	return func() any {
		clients := connect(*target, 100)
		for range 3 {
			answer(clients[0], nil, "ollama")
		}
		for _, name := range splitWords(*out) {
			control(*upstream, "conduct/"+name+"/"+*how)
		}
		control(*upstream, "tally")
		var results outcomes
		var rpcs, calls atomic.Int64
		var group sync.WaitGroup
		tick := time.NewTicker(time.Second / time.Duration(*rate))
		defer tick.Stop()
		for end := time.Now().Add(*length); time.Now().Before(end); <-tick.C {
			call := calls.Add(1)
			tries := 1
			if call%happyEvery == 0 {
				tries = happyTries
			}
			group.Go(func() {
				for try := range tries {
					// Half of the calls are streams, which fail over by other rules.
					err := chat(clients[0], order{mode: "whole", tokens: 8, id: rpcs.Add(1), tallied: true}, (call+int64(try))%2 == 0)
					results.add(err)
					if err == nil {
						return
					}
				}
			})
		}
		group.Wait()
		tally := askLedger(*upstream)
		for _, name := range splitWords(*out) {
			control(*upstream, "conduct/"+name+"/well")
		}
		return map[string]any{
			"calls": calls.Load(), "rpcs": rpcs.Load(), "asked": tally.Asked, "most": tally.Most, "outcomes": results.counts,
		}
	}
}

func chat(client llmsvcv1.LLMServiceClient, o order, streamed bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if streamed {
		return stream(ctx, client, o, func(int) {})
	}
	_, err := client.Chat(ctx, o.request())
	return err
}
