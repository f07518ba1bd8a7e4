"""What somebody does on the telephone: calls us, presses a key, is put through to a person; answered as TwiML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.inbound import Person, find_person, receive
from api.services import Services
from api.situation import facts_of
from api.views import times
from api.views.customer_story import Story, tell
from domain.errors import SourceError
from domain.messages import Channel, MessageStage, RecipientKind, ReplyIntent
from domain.tickets import Announce, Effect
from notify.channels.reference import message_id
from notify.channels.twilio_twiml import Script, announcement, connecting, saying, script
from notify.channels.twilio_voice import keys_to
from notify.wording import LANGUAGES
from store.briefs import HOUSE_NAME, sender_of
from store.tables import Customer, Device, Inbound, Message, Product, Technician, Ticket
from tickets import service

HOOK = "/hooks/twilio/voice"
PERSON_KEYS = frozenset({"9", "0"})
_KEYS = {"1": (ReplyIntent.ACKNOWLEDGED, "heard"), "2": (ReplyIntent.SEND_SOMEONE, "visit")}
"""What a key means, and the line that answers it."""
_CONNECTED = frozenset({"completed", "answered"})
_NUMBER = re.compile(r"(?!7378742833$|2562533$|8656696$|266696687$|86282452253$)[1-9]\d{6,14}")
"""E.164; Twilio spells "restricted", "blocked", "unknown", "anonymous" and "unavailable" on the keypad."""
_FRENCH = ("+33", "+352", "+377")

Answer = tuple[str, Sequence[Effect]]
"""What is said next, as TwiML, and what follows from what was done."""


def on_call(session: Session, house: Services, fields: Mapping[str, str], *, reference: str, now: datetime) -> Answer:
    """The answer to one request of Twilio about a call; `reference` names our message if the call is ours.

    Twilio may repeat a request: what it does counts once for each call and key.
    """
    talk = _Talk.of(session, house, fields, reference=reference, now=now)
    if "DialCallStatus" in fields:
        return talk.put_through(connected=fields["DialCallStatus"] in _CONNECTED)
    if fields.get("Digits"):
        return talk.pressed(fields["Digits"][0])
    if talk.message is not None:
        return talk.answered(by_machine=fields.get("AnsweredBy", "").startswith("machine")), []
    return talk.called()


def pressed_alone(
    session: Session, house: Services, person: Person, key: str, message: int | None, *, once: str, now: datetime
) -> Sequence[Effect]:
    """What follows from `key` in a call without a telephone network, where nobody is at the desk. The call is named
    `once`, and about `message` if it is ours."""
    call = {"CallSid": once, "From": person.phone or "", "To": person.phone or ""}
    told = {"Digits": key} if key not in PERSON_KEYS else {"DialCallStatus": "no-answer"}
    reference = f"{message}-{once}" if message is not None else ""
    return on_call(session, house, call | told, reference=reference, now=now)[1]


@dataclass(frozen=True, slots=True)
class _Talk:
    """One call, with the person at the other end as far as they are known."""

    session: Session
    house: Services
    now: datetime
    sid: str
    number: str
    person: Person | None
    message: Message | None
    language: str
    action: str

    @classmethod
    def of(
        cls, session: Session, house: Services, fields: Mapping[str, str], *, reference: str, now: datetime
    ) -> "_Talk":
        if not fields.get("CallSid"):
            raise SourceError("there is no call", key="CallSid", cure="only a call asks here")
        named = message_id(reference)
        message = session.get(Message, named) if named is not None else None
        number = fields.get("From" if message is None else "To", "")
        person = _recipient(session, message) if message else find_person(session, Channel.VOICE, number)
        return cls(
            session,
            house,
            now,
            fields["CallSid"],
            number,
            person,
            message,
            _language(house, person, message, number=number),
            keys_to(house.public_url.rstrip("/") + HOOK, reference=reference),
        )

    def answered(self, *, by_machine: bool) -> str:
        """A call of ours was taken, by a person or a machine: the message, said to the end either way."""
        said = script((self.message.body if self.message else None) or "")
        if by_machine:
            return saying(said.message, self._line("call_us"), self._line("farewell"), language=self.language)
        return announcement(said, language=self.language, action=self.action)

    def called(self) -> Answer:
        """Somebody calls us: where their open fault stands, else the menu; a person in any case.

        To hear it from us is to know it: the call counts as that.
        """
        effects = self._hears(ReplyIntent.ACKNOWLEDGED, text="", key="")
        hello = self._line("hello")
        if not isinstance(self.person, Customer):
            return self._ask(hello, self._line("person")), effects
        story = self._story(self.person)
        if story is None or story.over:
            return self._ask(hello, self._line("all_well"), self._line("choices")), effects
        choices = "choices" if "send" in {story.main, *story.others} else "person"
        stands = [story.danger, self._line("we_know"), f"{story.headline}.", *story.done, story.next]
        return self._ask(hello, *stands, self._line(choices)), effects

    def pressed(self, key: str) -> Answer:
        """A key was pressed."""
        if key in PERSON_KEYS:
            return self._to_a_person()
        if key not in _KEYS or not isinstance(self.person, Customer):
            known = isinstance(self.person, Customer)
            return self._ask(self._line("again"), self._line("choices" if known else "person")), []
        intent, answer = _KEYS[key]
        effects = self._hears(intent, text=key, key=key)
        return saying(self._line(answer), self._line("farewell"), language=self.language), effects

    def put_through(self, *, connected: bool) -> Answer:
        """The call to our person is over, or nobody took it: then somebody calls back."""
        if connected:
            effects = self._hears(ReplyIntent.ACKNOWLEDGED, text="9", key="9")
            return saying(self._line("farewell"), language=self.language), effects
        return self._call_back("nobody_free")

    def _to_a_person(self) -> Answer:
        if not self.house.human_phone:
            return self._call_back("call_back")
        line = self._line("connecting")
        return connecting(line, self.house.human_phone, language=self.language, action=self.action), []

    def _call_back(self, answer: str) -> Answer:
        """Somebody is told to call: a promise is kept to a stranger too, as far as their number can be seen."""
        if not isinstance(self.person, Customer) and not _NUMBER.fullmatch(self.number.lstrip("+")):
            return saying(self._line("no_number"), self._line("farewell"), language=self.language), []
        raised = self._raised()
        effects = [*self._hears(ReplyIntent.CALL_ME, text="9", key="9"), *raised]
        return saying(self._line(answer), self._line("farewell"), language=self.language), effects

    def _raised(self) -> Sequence[Effect]:
        """For who is no customer: a customer's own ticket says it already."""
        asked = select(Inbound.id).where(Inbound.provider_id == f"{self.sid}-9")
        if isinstance(self.person, Customer) or self.session.scalar(asked) is not None:
            return []
        about = self.message.ticket_id if self.message else None
        if about is None:
            return service.on_stranger(self.session, number=self.number, reference=self.sid, now=self.now)
        who = {"caller": self.number, "caller_name": self.person.name if self.person else ""}
        return [Announce(about, MessageStage.CALL_WANTED, self.sid, who)]

    def _hears(self, intent: ReplyIntent, *, text: str, key: str) -> Sequence[Effect]:
        return receive(
            self.session,
            channel=Channel.VOICE,
            text=text,
            provider_id="-".join(filter(None, (self.sid, key))),
            address=self.number,
            person=self.person,
            ticket_id=self.message.ticket_id if self.message else None,
            intent=intent,
            now=self.now,
        )

    def _ask(self, *lines: str) -> str:
        words = Script("", " ".join(filter(None, lines)), self._line("farewell"))
        return announcement(words, language=self.language, action=self.action, times=1)

    def _line(self, name: str) -> str:
        return self.house.renderer.line(name, {"maker": self._maker()}, language=self.language)

    def _maker(self) -> str:
        if not isinstance(self.person, Customer):
            return HOUSE_NAME
        query = select(Product).join(Device, Device.product == Product.name)
        mine = query.where(Device.customer_id == self.person.id).order_by(Device.last_seen.desc().nulls_last())
        return sender_of(self.session, self.session.scalars(mine.limit(1)).first())

    def _story(self, customer: Customer) -> Story | None:
        """Of the ticket that this call is about."""
        about = select(Ticket).join(Inbound, Inbound.ticket_id == Ticket.id).where(Inbound.provider_id == self.sid)
        ticket = self.session.scalar(about)
        if ticket is None:
            return None
        device = self.session.get(Device, ticket.device_id)
        product = self.session.get(Product, device.product) if device and device.product else None
        facts = facts_of(self.session, ticket, customer, product)
        zone = times.zone_of(customer.timezone, device.timezone if device else None)
        return tell(facts, language=self.language, zone=zone, now=self.now)


def _recipient(session: Session, message: Message) -> Person | None:
    if message.recipient_kind == RecipientKind.CUSTOMER:
        return session.get(Customer, message.recipient_id)
    return session.get(Technician, message.recipient_id)


def _language(house: Services, person: Person | None, message: Message | None, *, number: str) -> str:
    """A stranger is spoken to as their number suggests."""
    stranger = "fr" if number.startswith(_FRENCH) else "en"
    wanted = person.language if person else house.dispatcher.language if message else stranger
    short = wanted.partition("-")[0].lower()
    return short if short in LANGUAGES else "en"
