package main

import (
	"flag"
	"log"
	"time"
)

// RecoverMode calls one provider alone until it has answered a few times in a
// row, and so neither a breaker nor a block holds anybody back.
func recoverMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	provider := flags.String("provider", "", "name")
	within := flags.Duration("within", time.Minute, "patience")
	return func() any {
		client := connect(*target, 1)[0]
		begun := time.Now()
		for inRow := 0; inRow < 3; {
			err := chat(client, order{mode: "whole", tokens: 8, targets: []string{*provider}}, false)
			if err == nil {
				inRow++
				continue
			}
			inRow = 0
			if time.Since(begun) > *within {
				log.Fatalf("%s does not recover: %v", *provider, err)
			}
			time.Sleep(200 * time.Millisecond)
		}
		return map[string]any{"after_ns": time.Since(begun).Nanoseconds()}
	}
}
