package main

import (
	"flag"
	"time"
)

// WatchMode measures a process that loads the upstream by itself. The upstream
// says how much it sent.
func watchMode(flags *flag.FlagSet) func() any {
	upstream := flags.String("upstream", "", "base URL of the fake upstream")
	chats := flags.Int("chats", 1, "answers that must be under way before the warm-up; 0 waits for a new one")
	span := spanFlags(flags)
	return func() any {
		begun := askLedger(*upstream).Begun
		for now := askLedger(*upstream); now.Chats < *chats || *chats == 0 && now.Begun == begun; now = askLedger(*upstream) {
			time.Sleep(20 * time.Millisecond)
		}
		var now ledger
		passed, grown := span.measure(
			func() int64 { now = askLedger(*upstream); return now.Tokens },
			func() int64 { return now.Begun },
		)
		return map[string]any{"window": passed, "tokens": grown[0], "calls": grown[1]}
	}
}
