package main

import "fmt"

const (
	callPieces = 1000
	callBytes  = 64 * 1024
)

// PiecesOfCall are the chunks of an OpenAI's answer that is one tool call. Its
// arguments come in pieces with one space each, as the words do, so that
// clients can count them after they were merged.
var piecesOfCall = func() [][]byte {
	arguments := []byte(`{"path":"src","pattern":"`)
	for i := len(arguments); i < callBytes-2; i++ {
		arguments = append(arguments, byte('a'+i%26))
	}
	arguments = append(arguments, `"}`...)
	opening := openaiChunk(
		`{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_bench","type":"function","function":{"name":"look_for_0","arguments":""}}]}`,
		"null")
	pieces := [][]byte{[]byte(openai.head + chunk(opening))}
	for i := range callPieces {
		piece := arguments[i*callBytes/callPieces : (i+1)*callBytes/callPieces]
		piece[32] = ' '
		delta := fmt.Sprintf(`{"tool_calls":[{"index":0,"function":{"arguments":%q}}]}`, piece)
		pieces = append(pieces, []byte(chunk(openaiChunk(delta, "null"))))
	}
	return append(pieces, closing(openaiEnding("tool_calls", callPieces)))
}()
