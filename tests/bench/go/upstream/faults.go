package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Fault is one way not to answer; the names are rows of docs/failover.md 2.2.
type fault struct {
	row    string
	effect effect
	bytes  string
	closes bool // the connection, afterwards
	silent bool // until the peer leaves
}

// Effect says how long a gateway may avoid the provider because of a fault. A
// run in which every fault is as likely as any other would soon reach nobody.
type effect int

const (
	passing effect = iota
	pausing        // for seconds
	lasting        // for a minute or more: given under the paths /doomed/N only
)

const pausingEvery = 100 // one fault of so many is a pausing one

// Lasting returns the one lasting fault of a doomed provider, by its number.
func (d *dialect) lasting(number int) fault {
	var some []fault
	for _, one := range d.faults {
		if one.effect == lasting {
			some = append(some, one)
		}
	}
	return some[number%len(some)]
}

// Draw returns another fault at random.
func (d *dialect) draw() fault {
	pauses := rand.IntN(pausingEvery) == 0
	for {
		one := d.faults[rand.IntN(len(d.faults))]
		if one.effect == passing && !pauses || one.effect == pausing && pauses {
			return one
		}
	}
}

func refusal(row string, effect effect, status int, body string, headers ...string) fault {
	more := strings.Join(append(headers, ""), "\r\n")
	return fault{row: row, effect: effect, bytes: fmt.Sprintf(
		"HTTP/1.1 %d Bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		status, len(body), more, body)}
}

// Common are the faults that look alike whoever has them.
func (d *dialect) common() []fault {
	begun := string(d.firsts[0]) + string(d.chunks[1])
	over := "0\r\n\r\n"
	return []fault{
		{row: "C02 cut", bytes: begun, closes: true},
		{row: "C02 end", bytes: begun + over},
		{row: "C03", closes: true},
		refusal("C04", lasting, 302, "", "Location: /elsewhere"),
		{row: "C05", effect: pausing, silent: true},
		{row: "C06", effect: pausing, bytes: begun, silent: true},
		{row: "C07 cut", bytes: d.head, closes: true},
		{row: "C07 end", bytes: d.head + over},
		{row: "C08 type", bytes: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"},
		{row: "C08 text", bytes: d.head + chunk("data: {nonsense\n\n{nonsense\n") + over},
	}
}

func (d *dialect) inStream(row string, effect effect, text string) fault {
	return fault{row: row, effect: effect, bytes: d.head + chunk(text) + "0\r\n\r\n"}
}

func (d *dialect) afterContent(row, text string) fault {
	return fault{row: row, bytes: string(d.firsts[0]) + chunk(text) + "0\r\n\r\n"}
}

func init() {
	ollama.faults = append(ollama.common(), ollamaFaults()...)
	openai.faults = append(openai.common(), openaiFaults()...)
	anthropic.faults = append(anthropic.common(), anthropicFaults()...)
}

func ollamaFaults() []fault {
	said := func(text string) string { return fmt.Sprintf(`{"error":%q}`, text) }
	refused := func(row string, effect effect, status int, text string) fault {
		return refusal(row, effect, status, said(text))
	}
	same := chunk(`{"model":"phi3:mini","created_at":"2026-11-25T02:25:06Z","message":{"role":"assistant","content":" ha"},"done":false}` + "\n")
	return []fault{
		{row: "O00", bytes: ollama.head + strings.Repeat(same, 31) + "0\r\n\r\n"},
		ollama.inStream("O01", lasting, `{"model":"phi3:mini","remote_host":"https://cloud.invalid","message":{"role":"assistant","content":" hi"},"done":false}`+"\n"),
		refused("O02", passing, 500, "error parsing tool call: raw='{'"),
		ollama.inStream("O02 line", passing, said("error parsing tool call: raw='{'")+"\n"),
		ollama.inStream("O02 blank", passing, `{"model":"phi3:mini"}`+"\n"),
		ollama.inStream("O03", passing, `{"model":"phi3:mini","message":{"role":"assistant","content":""},"done_reason":"load","done":true}`+"\n"),
		refused("O04", lasting, 404, "model 'phi3:mini' not found"),
		refusal("O04 place", lasting, 404, ""),
		refusal("O05", lasting, 401, `{"error":"unauthorized","signin_url":"https://cloud.invalid"}`),
		refused("O06", lasting, 401, "unauthorized"),
		refusal("O06 limit", pausing, 429, said("too many requests"), "Retry-After: 1"),
		refused("O07", passing, 503, "server busy, please try again. maximum pending requests exceeded"),
		refused("O08", passing, 400, "the input length exceeds the context length"),
		refused("O09", passing, 400, `"phi3:mini" does not support tools`),
		refused("O10", passing, 400, "invalid options"),
		refused("O10 size", passing, 413, "too large"),
		refused("O10 500", passing, 500, "invalid JSON schema in format"),
		refused("O10a", pausing, 503, "llm server loading model"),
		refused("O10b", passing, 500, "model runner has unexpectedly stopped"),
		refused("O11", pausing, 500, "unable to load model: blob"),
		refused("O12", passing, 500, "something went wrong"),
		ollama.inStream("O12 line", passing, said("something went wrong")+"\n"),
		ollama.afterContent("C02 O12", said("something went wrong")+"\n"),
		refused("unlisted", passing, 418, "a teapot"),
	}
}

func openaiFaults() []fault {
	said := func(kind, code, text string) string {
		return fmt.Sprintf(`{"error":{"message":%q,"type":%q,"param":null,"code":%q}}`, text, kind, code)
	}
	invalid := "invalid_request_error"
	broken := "data: " + said("server_error", "server_error", "something went wrong") + "\n\n"
	return []fault{
		refusal("P01", lasting, 429, said("insufficient_quota", "insufficient_quota", "no money")),
		refusal("P02", passing, 400, said(invalid, "context_length_exceeded", "maximum context length is 128 tokens")),
		refusal("P03", passing, 400, said(invalid, "content_policy_violation", "no")),
		refusal("P04", lasting, 404, said(invalid, "model_not_found", "no such model")),
		refusal("P04 place", lasting, 404, ""),
		refusal("P05", lasting, 403, said(invalid, "unsupported_country_region_territory", "no")),
		refusal("P06", lasting, 401, said(invalid, "invalid_api_key", "no")),
		refusal("P07", passing, 400, said(invalid, "unsupported_parameter", "no")),
		refusal("P08", passing, 400, said(invalid, "tool_use_failed", "no")),
		refusal("P09", pausing, 429, said("requests", "rate_limit_exceeded", "slow down"), "Retry-After: 1"),
		refusal("P09 498", passing, 498, said("capacity", "capacity_exceeded", "full")),
		refusal("P10", passing, 503, said("unavailable_error", "503", "loading model")),
		refusal("P11", passing, 500, said("server_error", "500", "something went wrong")),
		openai.inStream("P11 event", passing, broken),
		openai.inStream("P11 finish", passing, openaiChunk("{}", `"error"`)+"data: [DONE]\n\n"),
		openai.afterContent("C02 P11", broken),
		refusal("P12", passing, 400, said(invalid, "invalid_value", "no")),
		refusal("unlisted", passing, 418, ""),
	}
}

func anthropicFaults() []fault {
	said := func(kind, text string) string {
		return fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":%q}}`, kind, text)
	}
	invalid := "invalid_request_error"
	broken := "event: error\ndata: " + said("overloaded_error", "Overloaded") + "\n\n"
	return []fault{
		refusal("A01", lasting, 400, said(invalid, "Your credit balance is too low")),
		refusal("A02", pausing, 429, said("rate_limit_error", "slow down"), "Retry-After: 1"),
		refusal("A03", passing, 529, said("overloaded_error", "Overloaded")),
		refusal("A03 500", passing, 500, said("api_error", "something went wrong")),
		anthropic.inStream("A03 event", passing, broken),
		anthropic.afterContent("C02 A03", broken),
		refusal("A04", lasting, 401, said("authentication_error", "no")),
		refusal("A05", lasting, 404, said("not_found_error", "no such model")),
		refusal("A05 place", lasting, 404, ""),
		refusal("A06", passing, 413, said("request_too_large", "too large")),
		refusal("A06 text", passing, 400, said(invalid, "prompt is too long: 9 tokens > 8 maximum")),
		refusal("A07", passing, 400, said(invalid, "no")),
		refusal("unlisted", passing, 418, ""),
	}
}
