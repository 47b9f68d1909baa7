"""Bodies in which an Ollama, or what stands in front of it, says no."""

import json

PAGE = b"<html><body>nginx</body></html>"
SIGN_IN = b'{"error":"unauthorized","signin_url":"https://example.org/connect"}'
STUB = b'{"StatusCode":429,"Status":"429 Too Many Requests","error":"slow down"}'


def error(text: str) -> bytes:
    """Return a refusal with this text, or an error line without its newline."""
    return json.dumps({"error": text}).encode()


WINDOW = error(
    json.dumps(
        {
            "error": {
                "code": 400,
                "message": "request (5000 tokens) exceeds the available context size",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 5000,
                "n_ctx": 4096,
            }
        }
    )
)
