package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"bench/gen/llmsvcv1"
)

const streamsPerConnection = 100

// Order is put into the prompt; the fake upstream reads it there.
type order struct {
	mode     string
	tokens   int
	interval time.Duration
	wait     time.Duration
	id       int64
	faulty   float64  // share of upstream requests that get a fault
	tallied  bool     // whether the upstream counts requests by id
	targets  []string // providers to try, instead of the server's sequence
	tools    []*llmsvcv1.Tool
	before   []*llmsvcv1.Message // what was said before it
}

func (o order) request() *llmsvcv1.ChatRequest {
	text := fmt.Sprintf("bench mode=%s tokens=%d interval_us=%d wait_us=%d id=%d ",
		o.mode, o.tokens, o.interval.Microseconds(), o.wait.Microseconds(), o.id)
	if o.faulty > 0 {
		text += fmt.Sprintf("faulty_ppm=%d ", int64(o.faulty*1e6))
	}
	if o.tallied {
		text += "tallied=1 "
	}
	ordering := said(llmsvcv1.Role_ROLE_USER, &llmsvcv1.ContentPart{Part: &llmsvcv1.ContentPart_Text{Text: text}})
	return &llmsvcv1.ChatRequest{
		Messages:      append(slices.Clip(o.before), ordering),
		Tools:         o.tools,
		RoutingPolicy: o.policy(),
	}
}

func (o order) policy() *llmsvcv1.RoutingPolicy {
	if len(o.targets) == 0 {
		return nil
	}
	result := &llmsvcv1.RoutingPolicy{}
	for _, name := range o.targets {
		result.Targets = append(result.Targets, &llmsvcv1.RouteTarget{Provider: name})
	}
	return result
}

// Connect returns enough connected clients for that many calls at once.
func connect(target string, calls int) []llmsvcv1.LLMServiceClient {
	return connectBy(target, (calls+streamsPerConnection-1)/streamsPerConnection)
}

// ConnectBy returns one connected client for each of so many connections.
func connectBy(target string, connections int) []llmsvcv1.LLMServiceClient {
	clients := make([]llmsvcv1.LLMServiceClient, connections)
	for i := range clients {
		conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			log.Fatal(err)
		}
		waitConnected(conn)
		clients[i] = llmsvcv1.NewLLMServiceClient(conn)
	}
	return clients
}

func waitConnected(conn *grpc.ClientConn) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn.Connect()
	for state := conn.GetState(); state.String() != "READY"; state = conn.GetState() {
		if !conn.WaitForStateChange(ctx, state) {
			log.Fatalf("cannot connect: %s", state)
		}
	}
}

// Stream reads one answer. OnTokens is called for each message with the tokens
// it holds, 0 for messages without text.
func stream(ctx context.Context, client llmsvcv1.LLMServiceClient, o order, onTokens func(int)) error {
	call, err := client.ChatStream(ctx, o.request())
	if err != nil {
		return err
	}
	var response llmsvcv1.ChatStreamResponse
	for {
		if err := call.RecvMsg(&response); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		delta := response.GetDelta()
		onTokens(countTokens(delta.GetText()) + countTokens(delta.GetToolCall().GetArgumentsJson()))
	}
}

// CountTokens works because each token of the fake upstream has one space, and each piece of a tool call.
func countTokens(text string) int {
	return strings.Count(text, " ")
}

// Outcomes counts statuses by name.
type outcomes struct {
	mu     sync.Mutex
	counts map[string]int
}

func (o *outcomes) add(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counts == nil {
		o.counts = map[string]int{}
	}
	o.counts[status.Code(err).String()]++
}
