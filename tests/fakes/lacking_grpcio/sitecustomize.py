"""On PYTHONPATH: a grpcio of a known version that lacks one of the private names that we use."""

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # no stub has it

del cygrpc.ReceiveCloseOnServerOperation
