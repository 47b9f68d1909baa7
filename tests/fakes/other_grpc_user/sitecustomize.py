"""On PYTHONPATH: a gRPC client in the process, as agents bring one in that send traces over gRPC."""

import grpc

CHANNEL = grpc.insecure_channel("127.0.0.1:1")
