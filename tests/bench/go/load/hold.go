package main

import (
	"context"
	"flag"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// HoldMode opens streams that nearly fall silent after their first token, says how
// many stand, and holds them until its standard input ends. What it returns are the
// streams that had not stood until then.
func holdMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	streams := flags.Int("streams", 1000, "streams to open")
	spread := flags.Duration("spread", 2*time.Second, "over which starts are spread")
	within := flags.Duration("within", 10*time.Minute, "deadline of each stream")
	targets := flags.String("targets", "", "providers to try, comma-separated")
	interval := flags.Duration("interval", time.Hour, "between tokens")
	tokens := flags.Int("tokens", 1000, "of each stream")
	settle := flags.Duration("settle", 2*time.Second, "between the last first token and saying so")
	return func() any {
		clients := connect(*target, *streams)
		var results, early outcomes
		var group, settled sync.WaitGroup
		var released atomic.Bool
		ctx, release := context.WithTimeout(context.Background(), *within)
		for i := range *streams {
			settled.Add(1)
			group.Go(func() {
				var once sync.Once
				time.Sleep(randomUpTo(*spread))
				o := order{mode: "paced", tokens: *tokens, interval: *interval, id: int64(i), targets: splitWords(*targets)}
				err := stream(ctx, clients[i%len(clients)], o, func(n int) {
					if n > 0 {
						once.Do(func() { results.add(nil); settled.Done() })
					}
				})
				once.Do(func() { results.add(err); settled.Done() })
				if !released.Load() {
					early.add(err)
				}
			})
		}
		settled.Wait()
		time.Sleep(*settle)
		say(map[string]any{"settled": results.counts})
		_, _ = io.Copy(io.Discard, os.Stdin)
		released.Store(true)
		release()
		group.Wait()
		return map[string]any{"early": early.counts}
	}
}
