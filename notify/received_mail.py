"""What arrives in our mailbox, understood: a mail system's report, a machine's answer, or a person's words. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from hashlib import sha256

import html2text
from mailparser_reply import EmailReplyParser  # type: ignore[import-untyped]

from notify.bounces import Bounce, bounces_in, storable

MAX_TEXT = 20_000
"""So much of a mail is read: what a person means stands at its beginning."""
MAX_PARSED = 4_000
MAX_IMAGES, MAX_IMAGE_BYTES = 8, 10_000_000
_IMAGES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/heic"})
_SENT_TO = ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To")
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_QUOTE_MARKS = re.compile(r"^[>\s]+")
_BLANKS = re.compile(r"[^\S\n]+")
_BLANK_RUNS = re.compile(r"\n\s*\n")
_AWAY = re.compile(
    r"(auto(matic)? ?repl(y|ied)|out of (the )?office|r[ée]ponse automatique|absen(ce|t) du bureau)\b",
    re.IGNORECASE,
)
"""How the subject of an auto-responder without marks begins."""
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that came with a mail."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """One mail."""

    message_id: str
    """Its own, or one made of its content where it has none."""
    sender: str
    """The address in `From`, lower case; empty if it has none."""
    sent_to: tuple[str, ...]
    """Every address it was sent or delivered to."""
    subject: str
    text: str
    """The whole text, at most MAX_TEXT of it."""
    automatic: bool
    """Written by a machine: moves nothing, and is never answered."""
    bounces: tuple[Bounce, ...] = ()
    images: tuple[Image, ...] = ()


def read(raw: bytes) -> Received:
    """Any bytes make a mail: what cannot be read of it is left out."""
    mail = message_from_bytes(raw)
    own_id = _MESSAGE_ID.search(_header(mail, "Message-ID"))
    reports = bounces_in(mail)
    return Received(
        message_id=own_id[0] if own_id else f"<{sha256(raw).hexdigest()}@none>",
        sender=next(iter(_addresses(mail, "From")), ""),
        sent_to=tuple(dict.fromkeys(one for name in _SENT_TO for one in _addresses(mail, name))),
        subject=" ".join(_header(mail, "Subject").split())[:500],
        text=storable(_text(mail)[:MAX_TEXT]),
        automatic=bool(reports) or _automatic(mail),
        bounces=reports,
        images=tuple(_images(mail)),
    )


def newly_written(text: str, *, quoting: str = "") -> str:
    """What the person wrote themselves: without quotes, signature, and whatever line stands in the mail they answer
    (`quoting`), for our own footer holds words that would mean something.
    """
    ours = {_bare(line) for line in quoting.splitlines()} - {""}
    lines = (line for line in text.splitlines() if not line.lstrip().startswith(">") and _bare(line) not in ours)
    even = _BLANK_RUNS.sub("\n\n", _BLANKS.sub(" ", "\n".join(lines))).strip()
    # The library's patterns take time that grows with the square of the whole, and of runs of blanks.
    cut = len(even) if len(even) <= MAX_PARSED else max(even.rfind("\n", 0, MAX_PARSED), 0) or MAX_PARSED
    replies = EmailReplyParser(languages=["en", "fr"]).read(even[:cut]).replies
    written = (replies[0].body or replies[0].content) if replies else ""
    if len(replies) == 1 and not replies[0].signatures:
        written += even[cut:]
    return written.strip()


def _bare(line: str) -> str:
    return " ".join(_QUOTE_MARKS.sub("", line).split()).casefold()


def _automatic(mail: Message) -> bool:
    """RFC 3834, and the marks that were there before it."""
    submitted = _header(mail, "Auto-Submitted").partition(";")[0].strip().lower()
    marks: Mapping[str, bool] = {
        "submitted": submitted not in {"", "no"},
        "precedence": _header(mail, "Precedence").strip().lower() in _BULK,
        "exchange": bool(_header(mail, "X-Auto-Response-Suppress").strip()),
        "responder": any(_header(mail, name) for name in ("X-Autoreply", "X-Autorespond", "List-Id")),
        "null sender": _header(mail, "Return-Path").strip() == "<>",
        "subject": bool(_AWAY.match(_header(mail, "Subject").strip())),
        "mail system": next(iter(_addresses(mail, "From")), "").startswith(("mailer-daemon@", "postmaster@")),
        "report": mail.get_content_type() == "multipart/report",
    }
    return any(marks.values())


def _text(mail: Message) -> str:
    """The first plain text that is not empty, else the first HTML. What is attached, or forwarded, is not theirs."""
    parts = [part for part in _parts(mail) if part.get_content_disposition() != "attachment"]
    for form in ("text/plain", "text/html"):
        texts = (_decoded(part)[: 4 * MAX_TEXT] for part in parts if part.get_content_type() == form)
        text = next((text for text in texts if text.strip()), "")
        if text:
            return text if form == "text/plain" else _from_html(text)
    return ""


def _parts(mail: Message) -> Iterator[Message]:
    """Those at the ends of the tree, without what lies inside a mail that was attached."""
    inner = mail.get_payload() if mail.get_content_maintype() == "multipart" else None
    if not isinstance(inner, list):
        yield mail
        return
    for part in inner:
        if isinstance(part, Message):
            yield from _parts(part)


def _from_html(text: str) -> str:
    reader = html2text.HTML2Text(bodywidth=0)
    reader.ignore_links = reader.ignore_images = reader.ignore_emphasis = True
    return reader.handle(text)


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("utf-8"), errors="replace")
    except LookupError:
        return content.decode("utf-8", errors="replace")


def _images(mail: Message) -> Iterator[Image]:
    found = 0
    for part in _parts(mail):
        content = part.get_payload(decode=True) if part.get_content_type() in _IMAGES else None
        if isinstance(content, bytes) and 0 < len(content) <= MAX_IMAGE_BYTES and found < MAX_IMAGES:
            found += 1
            yield Image(storable(part.get_filename() or f"photo-{found}")[:100], part.get_content_type(), content)


def _addresses(mail: Message, name: str) -> Iterator[str]:
    for _, address in getaddresses([_plain(value) for value in _values(mail, name)]):
        if "@" in address:
            yield address.strip().lower()


def _header(mail: Message, name: str) -> str:
    return next((_plain(value) for value in _values(mail, name)), "")


def _values(mail: Message, name: str) -> list[str]:
    """Unparsed: the standard library's parsers of structured headers raise on some of what strangers send."""
    return [str(value) for key, value in mail.raw_items() if key.lower() == name.lower()]


def _plain(value: str) -> str:
    try:
        return storable(str(make_header(decode_header(value))))
    except (LookupError, ValueError, MessageError):
        return storable(value)
