package main

import (
	"context"
	"flag"
	"sync"
	"sync/atomic"
	"time"
)

// StreamsMode keeps a number of streams running. Their starts are spread, and
// the warm-up begins when all of them deliver.
func streamsMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	mode := flags.String("mode", "paced", "bulk, paced or call")
	streams := flags.Int("streams", 200, "streams at a time")
	tokens := flags.Int("tokens", 200, "tokens per answer; a stream whose answer is over starts anew")
	interval := flags.Duration("interval", 20*time.Millisecond, "between tokens of a stream, if paced")
	spread := flags.Duration("spread", 2*time.Second, "over which starts are spread")
	agent := agentFlags(flags)
	span := spanFlags(flags)
	return func() any {
		clients := connect(*target, *streams)
		tools, before := agent.said()
		var results outcomes
		var tokenCount, messageCount, ids atomic.Int64
		var group, started sync.WaitGroup
		ctx, stop := context.WithCancel(context.Background())
		for i := range *streams {
			started.Add(1)
			group.Go(func() {
				var once sync.Once
				defer once.Do(started.Done)
				time.Sleep(randomUpTo(*spread))
				for ctx.Err() == nil {
					o := order{
						mode: *mode, tokens: *tokens, interval: *interval, id: ids.Add(1), tools: tools, before: before,
					}
					err := stream(ctx, clients[i%len(clients)], o, func(n int) {
						tokenCount.Add(int64(n))
						messageCount.Add(1)
						once.Do(started.Done)
					})
					if ctx.Err() == nil {
						results.add(err)
					}
					if err != nil {
						return
					}
				}
			})
		}
		started.Wait()
		passed, grown := span.measure(tokenCount.Load, messageCount.Load)
		stop()
		group.Wait()
		return map[string]any{
			"window": passed, "tokens": grown[0], "messages": grown[1], "outcomes": results.counts,
		}
	}
}
