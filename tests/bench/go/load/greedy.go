package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"bench/gen/llmsvcv1"
)

const comeBack = time.Second // the least that a refusal asks for

// GreedyMode lets fair hosts call, each one call after the other: alone, and
// beside one host with many calls at once, which call again when they are over.
// Each host has an address of its own, since Linux has all of 127.0.0.0/8.
func greedyMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	hosts := flags.Int("hosts", 6, "fair hosts")
	calls := flags.Int("calls", 20, "calls of each")
	greedy := flags.Int("greedy", 200, "calls at once of the greedy host")
	wait := flags.Duration("wait", 20*time.Millisecond, "of the upstream before its answer")
	return func() any {
		o := order{mode: "whole", tokens: 8, wait: *wait}
		var fair []llmsvcv1.LLMServiceClient
		for i := range *hosts {
			fair = append(fair, connectFrom(fmt.Sprintf("127.0.0.%d", i+3), *target))
		}
		var alone, beside, others outcomes
		aloneNs := oneByOne(fair, *calls, o, &alone)

		ctx, stop := context.WithCancel(context.Background())
		refused := make(chan struct{}, *greedy)
		var group sync.WaitGroup
		var client llmsvcv1.LLMServiceClient
		for i := range *greedy {
			if i%streamsPerConnection == 0 {
				client = connectFrom("127.0.0.2", *target)
			}
			group.Go(func() { withoutEnd(ctx, client, o, &others, refused) })
		}
		select { // all of the queue is taken once somebody is refused
		case <-refused:
		case <-time.After(10 * time.Second):
		}
		besideNs := oneByOne(fair, *calls, o, &beside)
		stop()
		group.Wait()
		return map[string]any{
			"alone_ns": aloneNs, "beside_ns": besideNs,
			"alone": alone.counts, "beside": beside.counts, "greedy": others.counts,
		}
	}
}

// OneByOne returns how long each call took, of callers that wait for their answers.
func oneByOne(clients []llmsvcv1.LLMServiceClient, calls int, o order, results *outcomes) []int64 {
	took := make([]int64, len(clients)*calls)
	var group sync.WaitGroup
	for i, client := range clients {
		group.Go(func() {
			for j := range calls {
				begun := time.Now()
				_, err := client.Chat(context.Background(), o.request())
				results.add(err)
				took[i*calls+j] = time.Since(begun).Nanoseconds()
			}
		})
	}
	group.Wait()
	return took
}

func withoutEnd(ctx context.Context, client llmsvcv1.LLMServiceClient, o order, results *outcomes, refused chan<- struct{}) {
	for {
		_, err := client.Chat(ctx, o.request())
		if ctx.Err() != nil {
			return
		}
		results.add(err)
		if err == nil {
			continue
		}
		select {
		case refused <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
		case <-time.After(comeBack):
		}
	}
}

// ConnectFrom returns a client whose calls come from an address of this machine.
func connectFrom(host, target string) llmsvcv1.LLMServiceClient {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address)
	}
	conn, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dial))
	if err != nil {
		log.Fatal(err)
	}
	waitConnected(conn)
	return llmsvcv1.NewLLMServiceClient(conn)
}
