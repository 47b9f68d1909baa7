package main

import (
	"encoding/json"
	"log"
	"net/http"
)

// Ledger is what the fake upstream says of itself.
type ledger struct {
	Connections int            `json:"connections"`
	Chats       int            `json:"chats"`
	Begun       int64          `json:"begun"`
	Tokens      int64          `json:"tokens"`
	Asked       map[string]int `json:"asked"`
	Most        int            `json:"most"`
	Faults      map[string]int `json:"faults"`
	Cuts        []struct {
		ID       int64 `json:"id"`
		ClosedNs int64 `json:"closed_ns"`
	} `json:"cuts"`
}

// Control changes how the upstream behaves; words are a path under /bench/.
func control(base, words string) {
	response, err := http.Get(base + "/bench/" + words)
	if err != nil {
		log.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		log.Fatalf("%s: %s", words, response.Status)
	}
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
