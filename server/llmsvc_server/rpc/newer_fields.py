"""Fields that only later versions know. Ignored, they would loosen the request."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

NEWER_FIELDS = {
    4: "tools",
    5: "tool_choice",
    6: "response_format",
    7: "thinking_config",
    9: "unsupported_feature_action",
}
"""Those that restrict or shape the answer, so that they must not be lost."""

TOO_OLD = "this server is too old for it; leave it out"
"""The remedy."""

_ENUM_FIELDS = frozenset((9,))


def newer_fields(raw: bytes) -> list[str]:
    """Return the names of the NEWER_FIELDS that are set, in the order of their numbers.

    A message that knows nothing else finds them at the speed of the decoder. The list of unknown
    fields that protobuf offers takes seconds and gigabytes where a caller sends millions.

    Args:
        raw: A serialised ChatRequest.
    """
    return [field.name for field, _ in _NEWER.FromString(raw).ListFields()]


def has_unknown_fields(message: Message, *, besides: str = "") -> bool:
    """Return whether a message has any field that this version does not know, at that speed.

    Args:
        message: Looked at, with everything below it.
        besides: Name of a field that is not looked into; empty for none.
    """
    copy = type(message)()
    copy.CopyFrom(message)
    if besides:
        copy.ClearField(besides)
    whole_bytes = copy.ByteSize()
    copy.DiscardUnknownFields()
    return copy.ByteSize() != whole_bytes


def _message_class() -> type[Message]:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="newer.proto", syntax="proto2")
    message = file.message_type.add(name="Newer")
    for number, name in NEWER_FIELDS.items():
        kind = kinds.TYPE_UINT64 if number in _ENUM_FIELDS else kinds.TYPE_BYTES
        message.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Newer"))


_NEWER = _message_class()
