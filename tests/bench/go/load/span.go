package main

import (
	"flag"
	"strconv"
	"strings"
	"time"
)

// Span is a measuring window after a warm-up, and whom it watches.
type span struct {
	warm, length *time.Duration
	watch        *string
}

func spanFlags(flags *flag.FlagSet) span {
	return span{
		warm:   flags.Duration("warm", 3*time.Second, "before the window; thrown away"),
		length: flags.Duration("span", 8*time.Second, "length of the window"),
		watch:  flags.String("watch", "", "pids whose processor time is wanted, comma-separated"),
	}
}

// Measure warms up, then returns the window and how far each count went in it.
func (s span) measure(counts ...func() int64) (window, []int64) {
	time.Sleep(*s.warm)
	grown := make([]int64, len(counts))
	for i, count := range counts {
		grown[i] = -count()
	}
	before := readClocks()
	time.Sleep(*s.length)
	after := readClocks()
	for i, count := range counts {
		grown[i] += count()
	}
	return after.since(before, parsePids(*s.watch)), grown
}

func splitWords(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

func parsePids(list string) []int32 {
	var pids []int32
	for _, word := range splitWords(list) {
		pid, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			panic(err)
		}
		pids = append(pids, int32(pid))
	}
	return pids
}
