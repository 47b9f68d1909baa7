package main

import (
	"flag"
	"fmt"
	"strings"

	"bench/gen/llmsvcv1"
)

// Agent is what a program that calls tools sends along with each order.
type agent struct {
	tools, messages *int
}

func agentFlags(flags *flag.FlagSet) agent {
	return agent{
		tools:    flags.Int("tools", 0, "tools that each request declares"),
		messages: flags.Int("messages", 1, "messages of each request, with the one that orders; one more than a multiple of 3"),
	}
}

// Said returns the tools and the messages before the order.
func (a agent) said() ([]*llmsvcv1.Tool, []*llmsvcv1.Message) {
	return declare(*a.tools), converse(*a.messages - 1)
}

// ParametersSchema is what agents declare for a tool: 500 bytes, once they are filled in.
const parametersSchema = `{"type":"object","properties":{` +
	`"path":{"type":"string","description":"Where tool %d begins, relative to the folder of the project"},` +
	`"pattern":{"type":"string","minLength":1,"description":"What to look for, as plain text"},` +
	`"kind":{"type":"string","enum":["file","folder","link"]},` +
	`"limit":{"type":"integer","minimum":1,"maximum":1000,"description":"At most so many are returned"},` +
	`"options":{"type":"object","properties":{"deep":{"type":"boolean"},"hidden":{"type":"boolean"}},` +
	`"additionalProperties":false}},"required":["path","pattern"],"additionalProperties":false}`

func declare(count int) []*llmsvcv1.Tool {
	var tools []*llmsvcv1.Tool
	for i := range count {
		tools = append(tools, &llmsvcv1.Tool{Kind: &llmsvcv1.Tool_Function{Function: &llmsvcv1.FunctionTool{
			Name:                 toolName(i),
			Description:          "Looks for a pattern below a folder and returns what matches, with its lines.",
			ParametersJsonSchema: fmt.Sprintf(parametersSchema, i),
		}}})
	}
	return tools
}

func toolName(i int) string {
	return fmt.Sprintf("look_for_%d", i)
}

// Converse returns rounds of a question, a call and its result, 700 bytes each.
func converse(count int) []*llmsvcv1.Message {
	var messages []*llmsvcv1.Message
	for i := range count / 3 {
		id := fmt.Sprintf("call_%d", i)
		messages = append(messages,
			said(llmsvcv1.Role_ROLE_USER, &llmsvcv1.ContentPart{Part: &llmsvcv1.ContentPart_Text{
				Text: "Where is it used, and what would break if it went? " + strings.Repeat("Look again. ", 10),
			}}),
			said(llmsvcv1.Role_ROLE_ASSISTANT, &llmsvcv1.ContentPart{Part: &llmsvcv1.ContentPart_ToolCall{
				ToolCall: &llmsvcv1.ToolCall{
					Id: id, Name: toolName(i % 20),
					ArgumentsJson: fmt.Sprintf(`{"path":"src/part_%d","pattern":"name","options":{"deep":true}}`, i),
				},
			}}),
			said(llmsvcv1.Role_ROLE_TOOL, &llmsvcv1.ContentPart{Part: &llmsvcv1.ContentPart_ToolResult{
				ToolResult: &llmsvcv1.ToolResult{
					ToolCallId: id,
					Content:    strings.Repeat("src/part/file.py:12: the name of it is told here\n", 7),
				},
			}}))
	}
	return messages
}

func said(role llmsvcv1.Role, part *llmsvcv1.ContentPart) *llmsvcv1.Message {
	return &llmsvcv1.Message{Role: role, Parts: []*llmsvcv1.ContentPart{part}}
}
