"""The part of grpcio's private core objects that the in-loop door is made of, all of it.

They are those of grpcio's own synchronous server (`grpc/_server.py`), and no public API. Each name
here has a test, and a version that has not passed the tests never gets here (`choice.py`).
"""

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # no stub has it

CompletionQueue = cygrpc.CompletionQueue
CoreServer = cygrpc.Server
ReceiveClose = cygrpc.ReceiveCloseOnServerOperation
ReceiveMessage = cygrpc.ReceiveMessageOperation
SendHeaders = cygrpc.SendInitialMetadataOperation
SendMessage = cygrpc.SendMessageOperation
SendStatus = cygrpc.SendStatusFromServerOperation

NO_EVENT = cygrpc.CompletionType.queue_timeout
NO_FLAGS = 0
NO_XDS = False
OK = 0
"""Of `grpc_call_error`: a batch was begun."""

NO_DEADLINE_S = 9e18
"""What a call without a deadline says its deadline is, or more."""
