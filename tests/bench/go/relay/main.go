// Relay is the line to beat: the least that a typed relay can do, in a compiled
// language. It decodes each line of the upstream and sends one message per token.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bench/gen/llmsvcv1"
)

type relay struct {
	llmsvcv1.UnimplementedLLMServiceServer
	upstream string
	client   *http.Client
}

// Line is one record of the upstream's answer.
type line struct {
	Message struct {
		Content string `json:"content"`
	} `json:"message"`
	Done      bool  `json:"done"`
	EvalCount int32 `json:"eval_count"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on")
	upstream := flag.String("upstream", "", "base URL of the upstream")
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	transport := &http.Transport{MaxIdleConnsPerHost: 1000}
	llmsvcv1.RegisterLLMServiceServer(server, &relay{upstream: *upstream, client: &http.Client{Transport: transport}})
	log.Fatal(server.Serve(listener))
}

func (r *relay) Chat(ctx context.Context, request *llmsvcv1.ChatRequest) (*llmsvcv1.ChatResponse, error) {
	var answer strings.Builder
	var last line
	err := r.read(ctx, request, func(one line) error {
		answer.WriteString(one.Message.Content)
		last = one
		return nil
	})
	return &llmsvcv1.ChatResponse{
		Message: &llmsvcv1.Message{
			Role:  llmsvcv1.Role_ROLE_ASSISTANT,
			Parts: []*llmsvcv1.ContentPart{{Part: &llmsvcv1.ContentPart_Text{Text: answer.String()}}},
		},
		Usage: &llmsvcv1.Usage{OutputTokens: &last.EvalCount},
	}, err
}

func (r *relay) ChatStream(request *llmsvcv1.ChatRequest, call grpc.ServerStreamingServer[llmsvcv1.ChatStreamResponse]) error {
	return r.read(call.Context(), request, func(one line) error {
		event := &llmsvcv1.ChatStreamResponse{Event: &llmsvcv1.ChatStreamResponse_Delta{
			Delta: &llmsvcv1.PartDelta{Delta: &llmsvcv1.PartDelta_Text{Text: one.Message.Content}},
		}}
		if one.Done {
			event.Event = &llmsvcv1.ChatStreamResponse_Completed{
				Completed: &llmsvcv1.ChatResponse{Usage: &llmsvcv1.Usage{OutputTokens: &one.EvalCount}},
			}
		}
		return call.Send(event)
	})
}

func (r *relay) read(ctx context.Context, request *llmsvcv1.ChatRequest, each func(line) error) error {
	messages := make([]map[string]string, len(request.GetMessages()))
	for i, message := range request.GetMessages() {
		messages[i] = map[string]string{"role": "user", "content": message.GetParts()[0].GetText()}
	}
	body, _ := json.Marshal(map[string]any{"model": "phi3:mini", "stream": true, "messages": messages})
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, r.upstream+"/api/chat", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := r.client.Do(post)
	if err != nil {
		return status.Error(codes.Unavailable, "upstream")
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		var one line
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return status.Error(codes.Internal, "line")
		}
		if err := each(one); err != nil {
			return err
		}
	}
	_, _ = io.Copy(io.Discard, response.Body) // or the connection is not used again
	return lines.Err()
}
