"""Whether the scenarios run under `local_only`, beside a cloud that must see nothing of them."""

import os
import sys

LOCAL_ONLY = os.environ.get("SCENARIOS_LOCAL_ONLY") == "1"
CLOUD_MODULES = ("llmsvc_server.providers.anthropic",)


def imported_clouds() -> list[str]:
    """Return the modules of cloud adapters that this process has imported."""
    return [name for name in CLOUD_MODULES if name in sys.modules]
