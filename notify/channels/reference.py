"""The name that a message carries to a provider and back: in status callbacks, message ids and the sandbox."""

from domain.outbox import Pending


def reference(pending: Pending) -> str:
    """Stable for one message, and not shared by two installations that count alike."""
    return f"{pending.id}-{int(pending.created_at.timestamp() * 1000):x}"


def message_id(text: str) -> int | None:
    """The message a reference names; None if it is not one of ours."""
    head, dash, tail = text.partition("-")
    return int(head) if dash and tail and head.isascii() and head.isdecimal() else None
