"""Postal letters: a print-ready PDF a message in a spool folder, from where a printer or a mailing service takes it.

The file's name is the message's reference. Who prints it moves it to `printed/` below the spool, or deletes it.
"""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from domain.clock import Clock
from domain.errors import DeliveryError
from domain.messages import Channel, MessageState, Refusal, Retry
from domain.outbox import Content, Pending, Receipt
from notify.channels.reference import reference as reference_of
from notify.letter_sheet import Sheet, print_ready
from notify.times import long_day

PRINTED = "printed"


class SpooledLetter:
    """Writes letters to `spool`. The address is a person's lines on the envelope."""

    channel = Channel.LETTER
    provider = "letter-spool"
    sender = ""
    patience_s = 30.0
    look_up_after_s: tuple[float, ...] = ()
    authoritative = True
    repeatable = True

    def __init__(self, spool: Path, clock: Clock) -> None:
        self._spool, self._clock = spool, clock
        spool.mkdir(parents=True, exist_ok=True)

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        lines = [line.strip() for line in address.splitlines() if line.strip()]
        if len(lines) < 2:
            detail = "a postal address needs a name and a place, one to a line"
            raise DeliveryError(Refusal.BAD_ADDRESS, retry=Retry.NEVER, detail=detail)
        target = self._spool / f"{reference}.pdf"
        part = self._spool / f".{reference}.{uuid4().hex}.part"
        try:
            with part.open("wb") as file:
                file.write(print_ready(self._sheet(lines, content)))
                file.flush()
                os.fsync(file.fileno())
            part.rename(target)
        except OSError as exc:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            detail = f"the spool cannot be written: {exc.strerror}"
            raise DeliveryError(Refusal.UNREACHABLE, retry=Retry.SAFE, detail=detail) from exc
        return _receipt(reference)

    def look_up(self, pending: Pending) -> Receipt | None:
        name = f"{reference_of(pending)}.pdf"
        there = (self._spool / name).exists() or (self._spool / PRINTED / name).exists()
        return _receipt(reference_of(pending)) if there else None

    def _sheet(self, lines: list[str], content: Content) -> Sheet:
        language = content.language if content.language in {"en", "fr"} else "en"
        now = self._clock.now()
        return Sheet(
            sender=content.sender,
            address=lines,
            written_at=now,
            date=long_day(now, zone=ZoneInfo("UTC"), language=language),
            subject=content.subject,
            paragraphs=[part for part in content.text.split("\n\n") if part.strip()],
            link=content.link,
            language=language,
        )


def _receipt(reference: str) -> Receipt:
    return Receipt(provider_id=f"letter-{reference}", state=MessageState.ACCEPTED)
