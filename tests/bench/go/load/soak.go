package main

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// SoakMode runs very many short streams, cancels a share of them at random
// points, and says each second how many are over.
func soakMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	callers := flags.Int("callers", 100, "streams at a time")
	count := flags.Int("count", 100_000, "streams")
	share := flags.Float64("share", 0.3, "cancelled share")
	return func() any {
		// Half full: a server counts a cancelled stream until it has read of it, so a client that
		// keeps a connection at its limit while it cancels is refused streams.
		clients := connect(*target, 2**callers)
		var begun, over, cancelled atomic.Int64
		var results outcomes
		var group sync.WaitGroup
		for caller := range *callers {
			group.Go(func() {
				for id := begun.Add(1); id <= int64(*count); id = begun.Add(1) {
					leave := rand.Float64() < *share
					if leave {
						cancelled.Add(1)
					}
					results.add(soakOne(id, leave, func(ctx context.Context, o order) error {
						return stream(ctx, clients[caller%len(clients)], o, func(int) {})
					}))
					over.Add(1)
				}
			})
		}
		ended := make(chan struct{})
		go func() { group.Wait(); close(ended) }()
		tick := time.NewTicker(time.Second)
		for {
			select {
			case <-tick.C:
				say(map[string]any{"over": over.Load()})
			case <-ended:
				return map[string]any{"over": over.Load(), "cancelled": cancelled.Load(), "outcomes": results.counts}
			}
		}
	}
}

func soakOne(id int64, leave bool, run func(context.Context, order) error) error {
	if !leave {
		return run(context.Background(), order{mode: "bulk", tokens: 10, id: id})
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	timer := time.AfterFunc(randomUpTo(60*time.Millisecond), cancel)
	defer timer.Stop()
	return run(ctx, order{
		mode: "paced", tokens: 100, interval: 5 * time.Millisecond, wait: randomUpTo(10 * time.Millisecond), id: id,
	})
}
