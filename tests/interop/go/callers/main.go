// Many callers on one connection, each with one call after the other; how the calls ended, counted, as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	llmsvcv1 "example.com/app/gen/llmsvcv1"
)

const patience = 60 * time.Second

// call makes one call.
type call func(ctx context.Context, conn *grpc.ClientConn) error

var calls = map[string]call{
	"chat":    chat,
	"stream":  stream,
	"refused": refused,
	"leave":   leave,
	"hasty":   hasty,
	"health":  health,
}

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run shares a number of calls among the callers; the callers share the kinds of calls.
func run(address, callers, total string, kinds []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	crowd, err := strconv.Atoi(callers)
	if err != nil {
		return err
	}
	left, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()

	var untaken atomic.Int64
	untaken.Store(left)
	var lock sync.Mutex
	ends := map[string]int{}
	var group sync.WaitGroup
	for caller := range crowd {
		kind := kinds[caller%len(kinds)]
		if calls[kind] == nil {
			return fmt.Errorf("unknown: %s", kind)
		}
		group.Go(func() {
			for untaken.Add(-1) >= 0 {
				end := kind + " " + told(calls[kind](ctx, conn))
				lock.Lock()
				ends[end]++
				lock.Unlock()
			}
		})
	}
	group.Wait()
	return json.NewEncoder(os.Stdout).Encode(ends)
}

// told says how a call ended: OK, its code and our reason, or what gRPC itself said.
func told(err error) string {
	failure := status.Convert(err)
	for _, detail := range failure.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "llmsvc.v1" {
			return fmt.Sprintf("%s %s", failure.Code(), info.GetReason())
		}
	}
	if err == nil {
		return failure.Code().String()
	}
	return fmt.Sprintf("%s: %s", failure.Code(), failure.Message())
}

func question() *llmsvcv1.ChatRequest {
	part := &llmsvcv1.ContentPart{Part: &llmsvcv1.ContentPart_Text{Text: "hi"}}
	message := &llmsvcv1.Message{
		Role:  llmsvcv1.Role_ROLE_USER,
		Parts: []*llmsvcv1.ContentPart{part},
	}
	return &llmsvcv1.ChatRequest{Messages: []*llmsvcv1.Message{message}}
}

func chat(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := llmsvcv1.NewLLMServiceClient(conn).Chat(ctx, question())
	return err
}

func refused(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := llmsvcv1.NewLLMServiceClient(conn).Chat(ctx, &llmsvcv1.ChatRequest{})
	return err
}

func health(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err
}

// hasty leaves when the answer may be on its way.
func hasty(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer time.AfterFunc(20*time.Millisecond, cancel).Stop()
	defer cancel()
	return chat(ctx, conn)
}

// stream reads one to its end.
func stream(ctx context.Context, conn *grpc.ClientConn) error {
	return read(ctx, conn, func() {})
}

// leave stops reading once text has come.
func leave(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return read(ctx, conn, cancel)
}

func read(ctx context.Context, conn *grpc.ClientConn, afterText func()) error {
	events, err := llmsvcv1.NewLLMServiceClient(conn).ChatStream(ctx, question())
	if err != nil {
		return err
	}
	completed := false
	for {
		event, err := events.Recv()
		if errors.Is(err, io.EOF) && completed {
			return nil
		}
		if err != nil {
			return err
		}
		if event.GetDelta() != nil {
			afterText()
		}
		completed = event.GetCompleted() != nil
	}
}
