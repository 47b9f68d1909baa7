package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
)

// Dialect is how one kind of provider streams an answer.
type dialect struct {
	name    string
	head    string   // of the response
	chunks  [][]byte // one streamed token each, as real servers frame them: one flush per token
	firsts  [][]byte // the same with the head, since a server holds it back until there is a token
	ending  func(tokens int) string
	faults  []fault
	conduct atomic.Pointer[string] // how it behaves now, said by /bench/conduct
}

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n" +
	"Date: Wed, 25 Nov 2026 02:25:06 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"

var (
	ollama = newDialect("ollama", "application/x-ndjson", "",
		func(i int, word string) string {
			return fmt.Sprintf(
				`{"model":"phi3:mini","created_at":"2026-11-25T02:25:06.%09dZ","message":{"role":"assistant","content":" %s"},"done":false}`+"\n",
				46799487+i*523806, word)
		},
		func(tokens int) string {
			return fmt.Sprintf(
				`{"model":"phi3:mini","created_at":"2026-11-25T02:25:06.644752740Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":881638076,"load_duration":281812943,"prompt_eval_count":15,"prompt_eval_duration":741135,"eval_count":%d,"eval_duration":590237478}`+"\n",
				tokens)
		})
	openai = newDialect("openai", "text/event-stream; charset=utf-8", "",
		func(_ int, word string) string {
			return openaiChunk(fmt.Sprintf(`{"role":"assistant","content":" %s"}`, word), "null")
		},
		func(tokens int) string { return openaiEnding("stop", tokens) })
	anthropic = newDialect("anthropic", "text/event-stream; charset=utf-8",
		event("message_start", `"message":{"id":"msg_bench","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":15,"output_tokens":1}}`)+
			event("content_block_start", `"index":0,"content_block":{"type":"text","text":""}`),
		func(_ int, word string) string {
			return event("content_block_delta", fmt.Sprintf(`"index":0,"delta":{"type":"text_delta","text":" %s"}`, word))
		},
		func(tokens int) string {
			return event("content_block_stop", `"index":0`) +
				event("message_delta", fmt.Sprintf(`"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}`, tokens)) +
				event("message_stop", "")
		})
	dialects = []*dialect{ollama, openai, anthropic}
)

func newDialect(
	name, contentType, opening string, token func(i int, word string) string, ending func(tokens int) string,
) *dialect {
	result := &dialect{name: name, head: fmt.Sprintf(streamHead, contentType), ending: ending}
	result.conduct.Store(new(string))
	for i, word := range words {
		text := token(i, word)
		result.chunks = append(result.chunks, []byte(chunk(text)))
		result.firsts = append(result.firsts, []byte(result.head+chunk(opening+text)))
	}
	return result
}

func openaiChunk(delta, reason string) string {
	return fmt.Sprintf(
		`data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1764037506,"model":"gpt-4o-mini","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`+"\n\n",
		delta, reason)
}

func openaiEnding(reason string, tokens int) string {
	return openaiChunk("{}", strconv.Quote(reason)) + fmt.Sprintf(
		`data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1764037506,"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":15,"completion_tokens":%d,"total_tokens":%d}}`+"\n\n",
		tokens, tokens+15) + "data: [DONE]\n\n"
}

func event(name, fields string) string {
	return fmt.Sprintf("event: %s\ndata: {%s}\n\n",
		name, strings.TrimSuffix(fmt.Sprintf(`"type":%q,%s`, name, fields), ","))
}

// Last is the end of an answer with its counts, and of the chunked body.
func (d *dialect) last(tokens int) []byte {
	return closing(d.ending(tokens))
}

func closing(ending string) []byte {
	return []byte(chunk(ending) + "0\r\n\r\n")
}

// Line returns the bytes of token number i.
func (d *dialect) line(i, offset int) []byte {
	at := (i + offset) % len(words)
	if i == 0 {
		return d.firsts[at]
	}
	return d.chunks[at]
}

func dialectNamed(name string) *dialect {
	for _, one := range dialects {
		if one.name == name {
			return one
		}
	}
	return nil
}
