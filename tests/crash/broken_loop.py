"""A server one of whose background loops has a defect, from its start to its end."""

import os
import sys

import uvloop

from llmsvc_server.config.sources import Loaded, load
from llmsvc_server.lifecycle import serve


def with_a_defect() -> Loaded:
    """Return settings that no validation would let through: a pace that is no number."""
    environ = {
        "LLMSVC_SERVER__LISTEN": "127.0.0.1:0",
        "LLMSVC_LLM__DEFAULT_PROVIDER": "mock",
        "LLMSVC_LLM__PROVIDERS__MOCK__ENABLED": "true",
    }
    loaded = load(None, environ)
    health = loaded.settings.health.model_copy(update={"refresh_s": "the prompt"})
    settings = loaded.settings.model_copy(update={"health": health})
    return Loaded(settings=settings, source=loaded.source, origins=loaded.origins)


if __name__ == "__main__":
    os.environ["GRPC_VERBOSITY"] = "NONE"
    sys.exit(uvloop.run(serve(with_a_defect())))
