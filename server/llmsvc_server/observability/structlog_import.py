"""structlog, imported without rich.

Where rich is installed (`llmsvc[cli]` needs it) structlog imports it for tracebacks. No line of ours
has one, and it costs 8 MiB and a tenth of a start.
"""

import sys

if "rich" in sys.modules:
    import structlog
else:
    sys.modules["rich"] = None  # type: ignore[assignment]  # Python's own way to hide a module
    try:
        import structlog
    finally:
        del sys.modules["rich"]

__all__ = ["structlog"]
