// A Go client of the contract, as the tests run it: one subcommand a test, JSON on standard output.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	llmsvcv1 "example.com/app/gen/llmsvcv1"
)

const patience = 30 * time.Second

// said is what a test reads.
type said struct {
	Kinds    []string          `json:"kinds,omitempty"`
	Text     string            `json:"text"`
	Kind     string            `json:"kind,omitempty"`
	Code     string            `json:"code,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Fields   []string          `json:"fields,omitempty"`
	Provider string            `json:"provider,omitempty"`
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(what, address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := llmsvcv1.NewLLMServiceClient(conn)

	var result said
	switch what {
	case "chat":
		result, err = chat(ctx, client)
	case "stream":
		result, err = stream(ctx, client, func() {})
	case "refused":
		_, err = client.Chat(ctx, &llmsvcv1.ChatRequest{})
	case "tool":
		result, err = tool(ctx, client)
	case "schema":
		result, err = schema(ctx, client)
	case "leave":
		result, err = stream(ctx, client, cancel)
	default:
		return fmt.Errorf("unknown: %s", what)
	}
	if err != nil {
		explain(err, &result)
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func question() *llmsvcv1.ChatRequest {
	part := &llmsvcv1.ContentPart{Part: &llmsvcv1.ContentPart_Text{Text: "hi"}}
	message := &llmsvcv1.Message{
		Role:  llmsvcv1.Role_ROLE_USER,
		Parts: []*llmsvcv1.ContentPart{part},
	}
	return &llmsvcv1.ChatRequest{Messages: []*llmsvcv1.Message{message}}
}

func chat(ctx context.Context, client llmsvcv1.LLMServiceClient) (said, error) {
	answer, err := client.Chat(ctx, question())
	if err != nil {
		return said{}, err
	}
	result := said{Kind: answer.GetRoute().GetProviderKind().String()}
	for _, part := range answer.GetMessage().GetParts() {
		result.Text += part.GetText()
	}
	return result, nil
}

// stream reads a stream to its end, and calls afterText once text has come.
func stream(
	ctx context.Context, client llmsvcv1.LLMServiceClient, afterText func(),
) (result said, err error) {
	events, err := client.ChatStream(ctx, question())
	if err != nil {
		return said{}, err
	}
	for {
		event, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return result, nil
		}
		if err != nil {
			return result, err
		}
		switch kind := event.Event.(type) {
		case *llmsvcv1.ChatStreamResponse_Started:
			result.Kinds = append(result.Kinds, "started")
		case *llmsvcv1.ChatStreamResponse_Delta:
			result.Kinds = append(result.Kinds, "delta")
			result.Text += kind.Delta.GetText()
			afterText()
		case *llmsvcv1.ChatStreamResponse_Completed:
			result.Kinds = append(result.Kinds, "completed")
			result.Kind = kind.Completed.GetRoute().GetProviderKind().String()
		}
	}
}

// explain adds what a status says.
func explain(err error, result *said) {
	failure := status.Convert(err)
	result.Code = failure.Code().String()
	for _, detail := range failure.Details() {
		switch told := detail.(type) {
		case *errdetails.ErrorInfo:
			result.Reason, result.Metadata = told.GetReason(), told.GetMetadata()
		case *errdetails.BadRequest:
			for _, violation := range told.GetFieldViolations() {
				result.Fields = append(result.Fields, violation.GetField())
			}
		case *llmsvcv1.RouteInfo:
			result.Provider = told.GetProvider()
		}
	}
}
