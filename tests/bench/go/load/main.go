// Load calls llmsvc as a benchmark needs it and prints what it saw as JSON.
//
// It reads the processor clocks of the processes it is told to watch at the
// edges of its own measuring window, so that time and tokens belong together.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
)

// Mode is one kind of load: it declares flags and returns what to run.
type mode func(flags *flag.FlagSet) func() any

var modes = map[string]mode{
	"cancel":   cancelMode,
	"chaos":    chaosMode,
	"failover": failoverMode,
	"first":    firstMode,
	"greedy":   greedyMode,
	"halfopen": halfOpenMode,
	"hold":     holdMode,
	"outage":   outageMode,
	"ready":    readyMode,
	"recover":  recoverMode,
	"soak":     soakMode,
	"streams":  streamsMode,
	"unary":    unaryMode,
	"watch":    watchMode,
}

func main() {
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		log.Fatalf("usage: load MODE [flags], MODE one of %v", slices.Sorted(maps.Keys(modes)))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	run := modes[os.Args[1]](flags)
	_ = flags.Parse(os.Args[2:])
	say(run())
}

func say(result any) {
	text, err := json.Marshal(result)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}
