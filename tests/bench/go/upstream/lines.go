package main

import (
	"fmt"
	"strings"
)

// Words of the answers. They vary because gateways guard against endless
// repetition, and each begins with its only space, so that clients can count
// tokens after deltas were merged.
var words = strings.Fields(
	"river stone field cloud lantern window garden bridge market tower harbor meadow candle " +
		"forest pencil ladder silver copper orchard thunder valley marble anchor basket circle " +
		"dragon engine falcon guitar hammer island jacket kettle lemon mirror needle ocean parcel " +
		"quartz ribbon saddle temple umbrella velvet walnut yellow zephyr autumn beacon compass " +
		"desert ember feather glacier hollow indigo journal kernel lagoon monsoon nectar opal " +
		"prairie turtle")

const head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n" +
	"Date: Wed, 25 Nov 2026 02:25:06 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"

// Chunks hold one streamed line each, as real servers frame them: one flush per
// token.
var chunks, firstChunks = func() ([][]byte, [][]byte) {
	plain, first := make([][]byte, len(words)), make([][]byte, len(words))
	for i, word := range words {
		line := fmt.Sprintf(
			`{"model":"phi3:mini","created_at":"2026-11-25T02:25:06.%09dZ","message":{"role":"assistant","content":" %s"},"done":false}`+"\n",
			46799487+i*523806, word)
		plain[i] = []byte(chunk(line))
		first[i] = []byte(head + chunk(line))
	}
	return plain, first
}()

func chunk(line string) string {
	return fmt.Sprintf("%x\r\n%s\r\n", len(line), line)
}

// Last is the final line with its counts and the end of the chunked body.
func last(tokens int) []byte {
	return []byte(chunk(fmt.Sprintf(
		`{"model":"phi3:mini","created_at":"2026-11-25T02:25:06.644752740Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":881638076,"load_duration":281812943,"prompt_eval_count":15,"prompt_eval_duration":741135,"eval_count":%d,"eval_duration":590237478}`+"\n",
		tokens)) + "0\r\n\r\n")
}

// Line returns the bytes of token number i; the first carries the headers,
// since Ollama holds them back until there is a token.
func line(i, offset int) []byte {
	at := (i + offset) % len(words)
	if i == 0 {
		return firstChunks[at]
	}
	return chunks[at]
}
