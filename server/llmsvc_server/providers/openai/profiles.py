"""What is known not to work at services of this interface: data. What nobody knows is tried.

Both rows have one reason: the service wants something of the model's own back with a call's result
(Google its `thought_signature`, DeepSeek the thinking), and refuses a conversation without it. The
contract has no field for that yet, so a call could be made there, and never answered.

Source: docs/facts/providers.md 1.8.
"""

from llmsvc_server.chat.features import Capability

_CALLS = frozenset({Capability.TOOLS, Capability.FORCED_CHOICE, Capability.CALL_HISTORY})
_GOOGLE = "googleapis.com"
_DEEPSEEK = "deepseek.com"
_WITHOUT_THOUGHT = "deepseek-chat"


def missing_at(host: str, model: str) -> frozenset[Capability]:
    """Return what is known not to work.

    Args:
        host: Of the server's address.
        model: In the provider's spelling.
    """
    if _is_of(host, _GOOGLE):
        return _CALLS
    if _is_of(host, _DEEPSEEK) and model != _WITHOUT_THOUGHT:
        return _CALLS
    return frozenset()


def _is_of(host: str, domain: str) -> bool:
    return f".{host.lower().rstrip('.')}".endswith(f".{domain}")
