package main

import (
	"encoding/json"
	"log"
	"net/http"
)

// Ledger is what the fake upstream says of itself.
type ledger struct {
	Connections int   `json:"connections"`
	Chats       int   `json:"chats"`
	Begun       int64 `json:"begun"`
	Tokens      int64 `json:"tokens"`
	Cuts        []struct {
		ID       int64 `json:"id"`
		ClosedNs int64 `json:"closed_ns"`
	} `json:"cuts"`
}

func askLedger(base string) ledger {
	response, err := http.Get(base + "/bench/ledger")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var result ledger
	if err := json.NewDecoder(response.Body).Decode(&result); err != nil {
		log.Fatal(err)
	}
	return result
}
