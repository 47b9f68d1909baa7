"""`python -m llmsvc_client`: the same as `llmsvc`."""

from llmsvc_client.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
