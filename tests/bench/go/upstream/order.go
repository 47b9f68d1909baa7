package main

import (
	"bytes"
	"strconv"
	"time"
)

// Order is what one chat shall be answered with, read from its prompt.
type order struct {
	mode     string // "whole": one write; "bulk": a write per token, at once; "paced": one per interval; "call": a tool call in pieces, as "bulk"
	tokens   int
	interval time.Duration
	wait     time.Duration // silence before the first token
	id       int64
	dialect  *dialect
	faulty   float64 // share of requests that get a fault instead
	tallied  bool    // whether requests are counted by id
}

// ParseOrder reads the words after "bench " anywhere in the body. A chat
// without them gets a short whole answer.
func parseOrder(body []byte, dialect *dialect) order {
	result := order{mode: "whole", tokens: 8, id: -1, dialect: dialect}
	_, rest, found := bytes.Cut(body, []byte("bench "))
	if !found {
		return result
	}
	rest, _, _ = bytes.Cut(rest, []byte(`"`))
	for _, word := range bytes.Fields(rest) {
		name, value, _ := bytes.Cut(word, []byte("="))
		number, _ := strconv.ParseInt(string(value), 10, 64)
		switch string(name) {
		case "mode":
			result.mode = string(value)
		case "tokens":
			result.tokens = int(number)
		case "interval_us":
			result.interval = time.Duration(number) * time.Microsecond
		case "wait_us":
			result.wait = time.Duration(number) * time.Microsecond
		case "id":
			result.id = number
		case "faulty_ppm":
			result.faulty = float64(number) / 1e6
		case "tallied":
			result.tallied = number > 0
		}
	}
	return result
}
