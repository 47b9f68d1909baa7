package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bench/gen/llmsvcv1"
)

const (
	chaosTokens  = 8
	leavingShare = 0.03             // of the calls, cancelled by the caller
	hurryShare   = 0.03             // whose deadline is short
	doomedShare  = 0.01             // that go to providers with lasting faults
	doomedTwins  = 7                // of each kind, one for each of its lasting faults
	patience     = 20 * time.Second // more than any of the server's own limits
)

// ChaosMode runs very many calls, unary and streamed, against providers that
// fail at random, and says each second how many are over. What is counted as
// wrong needs no knowledge of the faults.
func chaosMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	callers := flags.Int("callers", 32, "calls at a time")
	count := flags.Int("count", 200_000, "calls")
	faulty := flags.Float64("faulty", 0.06, "share of upstream requests that get a fault")
	every := flags.Duration("every", 0, "time between the starts of one caller's calls; 0 for none")
	return func() any {
		clients := connect(*target, 2**callers)
		var begun, over atomic.Int64
		var results outcomes
		var wrongs tally
		var group sync.WaitGroup
		for caller := range *callers {
			group.Go(func() {
				turns := turns(*every)
				for id := begun.Add(1); id <= int64(*count); id = begun.Add(1) {
					<-turns
					o := order{mode: "whole", tokens: chaosTokens, id: id, faulty: *faulty, targets: drawTargets()}
					err, wrong := chaosOne(clients[caller%len(clients)], o)
					results.add(err)
					if wrong != "" {
						wrongs.add(wrong)
					}
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
				return map[string]any{"over": over.Load(), "outcomes": results.counts, "wrong": wrongs.counts}
			}
		}
	}
}

// Turns returns what one caller takes a turn from before each call: at a steady
// pace, or at once if there is none.
func turns(every time.Duration) <-chan time.Time {
	if every > 0 {
		return time.Tick(every)
	}
	always := make(chan time.Time)
	close(always)
	return always
}

// DrawTargets returns all three kinds, each as likely as the others to be first.
func drawTargets() []string {
	names := []string{"ollama", "openai", "anthropic"}
	if rand.Float64() < doomedShare {
		for i := range names {
			names[i] = fmt.Sprintf("%s_doomed_%d", names[i], rand.IntN(doomedTwins))
		}
	}
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names
}

func chaosOne(client llmsvcv1.LLMServiceClient, o order) (error, string) {
	limit, hurries := patience, false
	if draw := rand.Float64(); draw < hurryShare {
		limit, hurries = time.Millisecond+randomUpTo(200*time.Millisecond), true
	} else if draw < hurryShare+leavingShare {
		o.mode, o.wait = "whole", 5*time.Millisecond
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		defer time.AfterFunc(randomUpTo(10*time.Millisecond), cancel).Stop()
		return chaosCall(ctx, client, o, true)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return chaosCall(ctx, client, o, hurries)
}

// ChaosCall returns the status and what is wrong with it, if anything is.
func chaosCall(ctx context.Context, client llmsvcv1.LLMServiceClient, o order, mayEnd bool) (error, string) {
	var err error
	tokens := 0
	if o.id%2 == 0 {
		err = stream(ctx, client, o, func(n int) { tokens += n })
	} else {
		var response *llmsvcv1.ChatResponse
		response, err = client.Chat(ctx, o.request())
		for _, part := range response.GetMessage().GetParts() {
			tokens += countTokens(part.GetText())
		}
	}
	switch said := status.Convert(err); {
	case err == nil && tokens != o.tokens:
		return err, "OK without the whole answer"
	case err == nil:
		return err, ""
	case said.Code() == codes.Unknown:
		return err, "a status that says nothing"
	case said.Code() == codes.Canceled || said.Code() == codes.DeadlineExceeded:
		if mayEnd {
			return err, ""
		}
		return err, "no status in time"
	case reason(said) == "":
		return err, "a status without a reason: " + said.Code().String()
	case reason(said) == "INTERNAL_ERROR":
		return err, "an error of our own"
	}
	return err, ""
}
