package main

import (
	"context"
	"flag"
	"log"
	"time"

	"bench/gen/llmsvcv1"
)

const tripping = 6 // failed calls in a row, more than a breaker stands

// FailoverMode measures, call after call, how long an answer takes when the
// primary refuses connections, and when its breaker is open, both beside calls
// to the fallback alone. Between two measured refusals the primary answers
// twice, so that its breaker stays closed.
func failoverMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port")
	upstream := flags.String("upstream", "", "base URL of the fake upstream")
	count := flags.Int("count", 200, "measured calls of each kind")
	return func() any {
		client := connect(*target, 1)[0]
		alone, chain := []string{"openai"}, []string{"ollama", "openai"}
		for range *count {
			answer(client, chain, "ollama")
			answer(client, alone, "openai")
		}
		var alones, refused, open, aloneAgain []int64
		for range *count {
			control(*upstream, "gate/open")
			answer(client, chain, "ollama")
			answer(client, chain, "ollama")
			alones = append(alones, answer(client, alone, "openai"))
			control(*upstream, "gate/shut")
			time.Sleep(5 * time.Millisecond) // until the server has seen its connection close
			refused = append(refused, expect(client, chain, "openai", llmsvcv1.ErrorReason_ERROR_REASON_PROVIDER_UNREACHABLE))
		}
		for range tripping {
			answer(client, chain, "openai")
		}
		for range *count {
			open = append(open, expect(client, chain, "openai", llmsvcv1.ErrorReason_ERROR_REASON_BREAKER_OPEN))
			aloneAgain = append(aloneAgain, answer(client, alone, "openai"))
		}
		control(*upstream, "gate/open")
		return map[string]any{
			"alone_ns": alones, "refused_ns": refused, "open_ns": open, "alone_again_ns": aloneAgain,
		}
	}
}

// Answer returns how long one whole answer took, which a certain provider has to give.
func answer(client llmsvcv1.LLMServiceClient, targets []string, provider string) int64 {
	return expect(client, targets, provider, llmsvcv1.ErrorReason_ERROR_REASON_UNSPECIFIED)
}

// Expect is an answer before which the first target failed for a reason, if one is given.
func expect(
	client llmsvcv1.LLMServiceClient, targets []string, provider string, why llmsvcv1.ErrorReason,
) int64 {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	begun := time.Now()
	response, err := client.Chat(ctx, order{mode: "whole", tokens: 8, targets: targets}.request())
	passed := time.Since(begun)
	if err != nil {
		log.Fatal(err)
	}
	if by := response.GetRoute().GetProvider(); by != provider {
		log.Fatalf("%s answered instead of %s: %v", by, provider, response.GetRoute().GetAttempts())
	}
	if attempts := response.GetRoute().GetAttempts(); why != 0 && attempts[0].GetReason() != why {
		log.Fatalf("not %v: %v", why, attempts)
	}
	return passed.Nanoseconds()
}
