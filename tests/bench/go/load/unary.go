package main

import (
	"context"
	"flag"
	"sync"
	"sync/atomic"
)

// UnaryMode runs Chat from some callers, each one call after the other.
func unaryMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	callers := flags.Int("callers", 8, "calls at a time")
	together := flags.Bool("together", false, "all on one connection, where some may wait")
	agent := agentFlags(flags)
	span := spanFlags(flags)
	return func() any {
		clients := connect(*target, *callers)
		if *together {
			clients = connectBy(*target, 1)
		}
		tools, before := agent.said()
		var results outcomes
		var calls atomic.Int64
		var group sync.WaitGroup
		ctx, stop := context.WithCancel(context.Background())
		for caller := range *callers {
			group.Go(func() {
				for ctx.Err() == nil {
					o := order{mode: "whole", tokens: 8, id: int64(caller), tools: tools, before: before}
					_, err := clients[caller%len(clients)].Chat(ctx, o.request())
					if ctx.Err() == nil {
						results.add(err)
						calls.Add(1)
					}
				}
			})
		}
		passed, grown := span.measure(calls.Load)
		stop()
		group.Wait()
		return map[string]any{"window": passed, "calls": grown[0], "outcomes": results.counts}
	}
}
