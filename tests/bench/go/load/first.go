package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"time"
)

// FirstMode measures, call after call on an idle machine, how long the first
// token takes: through gRPC with -target, straight from the upstream with -direct.
func firstMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port of the service")
	direct := flags.String("direct", "", "base URL of the upstream, instead")
	count := flags.Int("count", 100, "calls")
	wait := flags.Duration("wait", 2*time.Millisecond, "of the upstream before its first token")
	return func() any {
		call := directCall(*direct)
		if *direct == "" {
			call = grpcCall(*target)
		}
		latencies := make([]int64, *count)
		for i := range latencies {
			time.Sleep(5*time.Millisecond + randomUpTo(10*time.Millisecond))
			latencies[i] = call(order{mode: "paced", tokens: 3, interval: 2 * time.Millisecond, wait: *wait, id: int64(i)})
		}
		return map[string]any{"first_ns": latencies}
	}
}

// GrpcCall connects beforehand: the connection is the caller's, the rest ours.
func grpcCall(target string) func(order) int64 {
	client := connect(target, 1)[0]
	return func(o order) int64 {
		var first time.Duration
		begun := time.Now()
		err := stream(context.Background(), client, o, func(n int) {
			if n > 0 && first == 0 {
				first = time.Since(begun)
			}
		})
		if err != nil {
			log.Fatal(err)
		}
		return first.Nanoseconds()
	}
}

func directCall(base string) func(order) int64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}
	return func(o order) int64 {
		body, _ := json.Marshal(map[string]any{
			"model": "phi3:mini", "stream": true,
			"messages": []map[string]string{{"role": "user", "content": o.request().Messages[0].Parts[0].GetText()}},
		})
		begun := time.Now()
		response, err := client.Post(base+"/api/chat", "application/json", bytes.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		defer response.Body.Close()
		var piece [4096]byte
		// After a pause of the machine all of it is there, and its end comes with it.
		if n, err := response.Body.Read(piece[:]); n == 0 {
			log.Fatal(err)
		}
		first := time.Since(begun)
		_, _ = io.Copy(io.Discard, response.Body)
		return first.Nanoseconds()
	}
}
