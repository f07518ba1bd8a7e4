"""What a mail system reports of a mail it took (RFC 3464): read from the report, and put in our words. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from domain.messages import MessageState, Refusal
from domain.outbox import Receipt

_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_DEAD = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.9", "5.1.10"})
"""RFC 3463 and its registry: the recipient's address is at fault. 5.1.7 and 5.1.8 are about the sender's."""
_UNKNOWN_USER = re.compile(
    r"user unknown|unknown (user|recipient|mailbox|address)|invalid (recipient|mailbox)"
    r"|no such (user|recipient|mailbox|address|person)"
    r"|(mailbox|user|recipient|address|account)( \S+){0,3} "
    r"(not found|unknown|unavailable|disabled|does(n't| not) exist)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Bounce:
    """What became of one mail for one recipient."""

    action: str
    """failed | delayed | delivered | relayed | expanded"""
    status: str
    """Such as 5.1.1 (RFC 3463)."""
    recipient: str
    diagnostic: str = ""
    """What the far end said."""
    original_id: str = ""
    """Message-ID of the mail that the report is about."""


def bounces_in(mail: Message) -> tuple[Bounce, ...]:
    """The reports in a mail; none if it is no delivery report."""
    if mail.get_content_type() != "multipart/report":
        return ()
    original = _original_id(mail)
    reports = (part for part in mail.walk() if part.get_content_type() == "message/delivery-status")
    found = (_bounce(fields, original) for report in reports for fields in _recipients(report))
    return tuple(bounce for bounce in found if bounce is not None)


def is_dead(status: str, said: str) -> bool:
    """Whether a permanent failure means that the address will never do."""
    return status in _DEAD or (status in {"5.0.0", "5.3.0", ""} and bool(_UNKNOWN_USER.search(said)))


def receipt_of(bounce: Bounce, *, provider_id: str) -> Receipt | None:
    """What it means for the message; None where it means nothing new: a delay, an alias that was opened up.

    Whatever failed for good goes on to the person's next channel; only a dead address is refused from then on.
    """
    match bounce.action:
        case "delivered":
            return Receipt(provider_id, MessageState.DELIVERED, code=bounce.status)
        case "relayed":
            # It went on to a system that does not report.
            return Receipt(provider_id, MessageState.SENT, code=bounce.status)
        case "failed":
            dead = is_dead(bounce.status, bounce.diagnostic)
            refusal = Refusal.BAD_ADDRESS if dead else _passing(bounce.status)
            detail = f"it came back: {bounce.status} {bounce.diagnostic}".strip()
            return Receipt(provider_id, MessageState.UNDELIVERED, code=bounce.status, detail=detail, refusal=refusal)
        case _:
            return None


def _passing(status: str) -> Refusal:
    """A full mailbox or a server away may do tomorrow; a refusal of the mail itself says nothing of the address."""
    return Refusal.UNREACHABLE if status.startswith(("4", "5.2.")) else Refusal.REJECTED


def _recipients(report: Message) -> Iterator[Message]:
    """The groups of fields about recipients; the first group is about the mail as a whole."""
    groups = report.get_payload()
    for fields in groups if isinstance(groups, list) else ():
        if isinstance(fields, Message) and fields.get("Action") and fields.get("Final-Recipient"):
            yield fields


def _bounce(fields: Message, original: str) -> Bounce | None:
    status = _STATUS.search(str(fields.get("Status", "")))
    action = str(fields["Action"]).partition("(")[0].strip().lower()
    return Bounce(
        action=action,
        status=status[1] if status else "",
        recipient=_typed(str(fields["Final-Recipient"])),
        diagnostic=_typed(str(fields.get("Diagnostic-Code", "")))[:300],
        original_id=original,
    )


def _typed(value: str) -> str:
    """`rfc822; a@b.example` without its type, on one line."""
    kind, semicolon, rest = value.partition(";")
    return storable(" ".join((rest if semicolon else kind).split()))


def storable(text: str) -> str:
    """Without what no database takes as text: half characters, and NUL."""
    return text.encode(errors="surrogateescape").decode(errors="replace").replace("\0", "")


def _original_id(mail: Message) -> str:
    """Of the returned mail, or of its headers alone."""
    for part in mail.walk():
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload()
            first = inner[0] if isinstance(inner, list) and inner else None
            return str(first.get("Message-ID", "")).strip() if isinstance(first, Message) else ""
        if part.get_content_type() == "text/rfc822-headers":
            found = re.search(r"^message-id:\s*(<\S+>)", str(part.get_payload()), re.IGNORECASE | re.MULTILINE)
            return found[1] if found else ""
    return ""
