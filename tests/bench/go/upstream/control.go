package main

import (
	"fmt"
	"strings"
)

// Ways to behave, for every chat of one dialect.
const (
	cutting = "cut"  // the request is read, the connection closed without a byte
	failing = "fail" // the server says that it failed
	holding = "hold" // the answer takes five seconds
)

// Control does what a path under /bench/ says.
func (p *peer) control(path string) error {
	words := strings.Split(strings.TrimPrefix(path, "/bench/"), "/")
	switch words[0] {
	case "gate":
		if words[1] == "open" {
			p.house.gate.open()
		} else {
			p.house.gate.shut()
		}
	case "conduct":
		how := strings.TrimPrefix(words[2], "well")
		dialectNamed(words[1]).conduct.Store(&how)
	case "tally":
		p.house.ledger.change(func(l *ledger) { l.tally = map[int64]int{}; l.Asked = map[string]int{} })
	default:
		return fmt.Errorf("no such control: %s", path)
	}
	return p.document("{}")
}
