import pytest

from llmsvc_server.rpc.door.interface import NoSuchDoor
from llmsvc_server.rpc.door.pump import LoopPump


async def test_beside_others_that_use_grpc_there_is_no_pump() -> None:
    with pytest.raises(NoSuchDoor, match="gRPC runs in this process already"):
        LoopPump()  # tests/conftest.py does
