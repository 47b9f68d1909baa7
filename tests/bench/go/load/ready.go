package main

import (
	"context"
	"flag"
	"log"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// ReadyMode returns the moment (CLOCK_MONOTONIC) at which the health service
// first said SERVING; without a name, at which the port first took a connection.
func readyMode(flags *flag.FlagSet) func() any {
	target := flags.String("target", "", "host:port, nothing may listen there yet")
	service := flags.String("service", "", "name to ask the health service for")
	within := flags.Duration("within", 20*time.Second, "patience")
	return func() any {
		ctx, cancel := context.WithTimeout(context.Background(), *within)
		defer cancel()
		say(map[string]any{"waiting": true})
		if *service == "" {
			conn := dialPatiently(ctx, *target)
			defer conn.Close()
			return map[string]any{"at_ns": monotonicNs()}
		}
		conn, err := grpc.NewClient(*target,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
				return dialPatiently(ctx, *target), nil
			}))
		if err != nil {
			log.Fatal(err)
		}
		client := grpc_health_v1.NewHealthClient(conn)
		for {
			request := &grpc_health_v1.HealthCheckRequest{Service: *service}
			answer, err := client.Check(ctx, request, grpc.WaitForReady(true))
			if answer.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
				return map[string]any{"at_ns": monotonicNs()}
			}
			if ctx.Err() != nil {
				log.Fatalf("%s is not serving: %v", *service, err)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// DialPatiently tries every two milliseconds; gRPC's own pauses between attempts
// grow to seconds.
func dialPatiently(ctx context.Context, target string) net.Conn {
	for {
		conn, err := net.Dial("tcp", target)
		if err == nil {
			return conn
		}
		if ctx.Err() != nil {
			log.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
