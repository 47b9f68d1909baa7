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

func chunk(line string) string {
	return fmt.Sprintf("%x\r\n%s\r\n", len(line), line)
}
