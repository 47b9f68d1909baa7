package main

import (
	"context"

	llmsvcv1 "example.com/app/gen/llmsvcv1"
)

const weather = `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`

// tool makes a round trip: the model calls, its turn and the result go back, it answers.
func tool(ctx context.Context, client llmsvcv1.LLMServiceClient) (said, error) {
	request := question()
	function := &llmsvcv1.FunctionTool{Name: "get_weather", ParametersJsonSchema: weather}
	request.Tools = []*llmsvcv1.Tool{{Kind: &llmsvcv1.Tool_Function{Function: function}}}
	first, err := client.Chat(ctx, request)
	if err != nil {
		return said{}, err
	}
	call := first.GetMessage().GetParts()[0].GetToolCall()
	result := &llmsvcv1.ToolResult{ToolCallId: call.GetId(), Content: "rain"}
	part := &llmsvcv1.ContentPart{Part: &llmsvcv1.ContentPart_ToolResult{ToolResult: result}}
	turn := &llmsvcv1.Message{Role: llmsvcv1.Role_ROLE_TOOL, Parts: []*llmsvcv1.ContentPart{part}}
	request.Messages = append(request.Messages, first.GetMessage(), turn)
	last, err := client.Chat(ctx, request)
	if err != nil {
		return said{}, err
	}
	return said{
		Kinds: []string{first.GetFinishReason().String(), call.GetName(), call.GetArgumentsJson()},
		Text:  last.GetMessage().GetParts()[0].GetText(),
	}, nil
}

// schema asks for JSON, and tells whether it was found to conform.
func schema(ctx context.Context, client llmsvcv1.LLMServiceClient) (said, error) {
	request := question()
	format := &llmsvcv1.JsonSchemaFormat{Name: "weather", SchemaJson: weather}
	request.ResponseFormat = &llmsvcv1.ResponseFormat{
		Format: &llmsvcv1.ResponseFormat_JsonSchema{JsonSchema: format},
	}
	answer, err := client.Chat(ctx, request)
	if err != nil {
		return said{}, err
	}
	result := said{Text: answer.GetMessage().GetParts()[0].GetText()}
	for _, check := range answer.GetOutputChecks() {
		if check.GetConforming() {
			result.Kinds = append(result.Kinds, "conforming")
		}
	}
	return result, nil
}
