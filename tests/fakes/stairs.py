"""A house whose ladders are climbed: the pipeline, a sender, providers that answer as told, and time."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from app import pipeline
from domain.errors import DeliveryError
from domain.messages import ANSWERS, Channel, MessageStage, MessageState, Refusal, ReplyIntent, Retry
from domain.outbox import Content, Pending, Receipt
from domain.tickets import Announce
from notify.sender import Sender
from store import due, receipts
from store.tables import Customer, Device, Message, Ticket
from tests.fakes.outbox_rows import House
from tickets import service

PHONES = {"c-1": "+33612345678", "c-2": "+33612345679"}


class Line:
    """One channel's provider. It takes everything, unless `refusals` say otherwise, in order."""

    patience_s = 10.0
    look_up_after_s: tuple[float, ...] = ()
    authoritative, repeatable = True, False
    sender = "+33700000000"

    def __init__(self, channel: Channel, taken: list[tuple[str, Channel]]) -> None:
        self.channel, self.provider = channel, f"fake-{channel}"
        self.taken, self.refusals = taken, list[Retry]()

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        if self.refusals:
            refusal = self.refusals.pop(0)
            kind = Refusal.RATE_LIMITED if refusal is Retry.SAFE else Refusal.REJECTED
            raise DeliveryError(kind, retry=refusal, detail="as told")
        self.taken.append((address, self.channel))
        return Receipt(f"{self.channel}-{reference}", MessageState.ACCEPTED)

    def look_up(self, pending: Pending) -> Receipt | None:
        return None


class Stairs(House):
    """One ticket of Alice's; Bob, c-2, is told of her device only where nobody else answers."""

    def __init__(self, folder: Path, *, severity: str = "critical", url: str = "", contacts: Iterable[str] = ("c-2",)):
        super().__init__(folder, url=url)
        self.taken: list[tuple[str, Channel]] = []
        self.lines = {channel: Line(channel, self.taken) for channel in (Channel.SMS, Channel.VOICE, Channel.EMAIL)}
        self.change(Ticket, 1, severity=severity, playbook=None)
        self.add(Customer(id="c-2", name="Bob Petit", phone=PHONES["c-2"], timezone="Europe/Paris"))
        self.change(Device, "hp-1", contacts=[{"customer": one, "role": "contact", "tells": []} for one in contacts])
        self.restart()

    def restart(self) -> None:
        """A fresh notify process."""
        self.sender = Sender(self.outbox(), self.lines, self.clock)

    def tell(self, stage: MessageStage = MessageStage.OPENING, *, send: bool = True, **details: Any) -> None:
        with self.database.write() as session:
            pipeline.hand_on(session, [Announce(1, stage, "", details)], now=self.clock.now())
        if send:
            self.send()

    def send(self) -> None:
        while self.sender.step():
            pass

    def after(self, *, send: bool = True, **delta: float) -> None:
        """Time passes, and what falls due is done at its time."""
        until = self.clock.now() + timedelta(**delta)
        while True:
            with self.database.read() as session:
                row = due.oldest(session, now=until)
            if row is None:
                break
            self._until(max(row.due_at, self.clock.now()))
            with self.database.write() as session:
                pipeline.on_due(session, row.id, now=self.clock.now())
            if send:
                self.send()
        self._until(until)
        if send:
            self.send()

    def receipt(self, state: MessageState, *, nth: int = -1, refusal: Refusal | None = None) -> None:
        """The provider says it of the nth message that it took."""
        with self.database.write() as session:
            row = [one for one in session.query(Message).order_by(Message.id) if one.provider_id][nth]
            told = Receipt(str(row.provider_id), state, refusal=refusal)
            receipts.receipt(session, told, now=self.clock.now())

    def reply(self, intent: ReplyIntent = ReplyIntent.ACKNOWLEDGED, text: str = "ok") -> None:
        with self.database.write() as session:
            _, effects = service.on_reply(
                session, customer_id="c-1", intent=intent, text=text, channel="sms", now=self.clock.now(), ticket_id=1
            )
            # What is answered to them is not what ladders are about.
            further = [one for one in effects if not (isinstance(one, Announce) and one.stage in ANSWERS)]
            pipeline.hand_on(session, further, now=self.clock.now())

    def do(self, act: Any, *args: Any, **more: Any) -> None:
        """A service of tickets, and what follows from it."""
        with self.database.write() as session:
            pipeline.hand_on(session, act(session, *args, now=self.clock.now(), **more) or [], now=self.clock.now())

    def calls(self) -> list[tuple[str, Channel]]:
        """Who was told on what, in order; the desk apart."""
        names = {address: name for name, address in PHONES.items()} | {"alice@example.net": "c-1"}
        return [(names[address], channel) for address, channel in self.taken if address in names]

    def messages(self) -> list[Message]:
        with self.database.read() as session:
            return list(session.query(Message).order_by(Message.id))

    def ticket(self) -> Ticket:
        with self.database.read() as session:
            return session.get_one(Ticket, 1)

    def _until(self, moment: Any) -> None:
        seconds = (moment - self.clock.now()).total_seconds()
        self.clock.advance(seconds=seconds)
        self.wall.advance(seconds)
