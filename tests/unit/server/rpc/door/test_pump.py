import pytest

from llmsvc_server.rpc.door.pump import CannotPump, LoopPump


async def test_beside_others_that_use_grpc_there_is_no_pump() -> None:
    with pytest.raises(CannotPump, match="gRPC runs in this process already"):
        LoopPump()  # tests/conftest.py does
