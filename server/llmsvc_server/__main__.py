"""`python -m llmsvc_server` is `llmsvc-server`."""

import sys

from llmsvc_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
