"""What somebody does on the telephone: calls us, presses a key, is put through to a person; answered as TwiML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.call_backs import Caller, call_wanted, caller_of, hears, put_through, putting_through
from api.senders import Person
from api.services import Services
from api.situation import facts_of
from api.views import times
from api.views.customer_story import Story, tell
from domain.errors import SourceError
from domain.messages import ReplyIntent
from domain.tickets import Effect
from notify.channels.reference import message_id
from notify.channels.twilio_twiml import Script, announcement, connecting, saying, script
from notify.channels.twilio_voice import keys_to
from notify.wording import LANGUAGES
from store.briefs import HOUSE_NAME, sender_of
from store.tables import Customer, Device, Inbound, Product, Ticket

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
    if talk.caller.message is not None:
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
    caller: Caller
    language: str
    action: str

    @classmethod
    def of(
        cls, session: Session, house: Services, fields: Mapping[str, str], *, reference: str, now: datetime
    ) -> "_Talk":
        if not fields.get("CallSid"):
            raise SourceError("there is no call", key="CallSid", cure="only a call asks here")
        ours = message_id(reference)
        number = fields.get("From" if ours is None else "To", "")
        caller = caller_of(session, fields["CallSid"], number=number, message_id=ours)
        action = keys_to(house.public_url.rstrip("/") + HOOK, reference=reference)
        return cls(session, house, now, caller, _language(house, caller), action)

    def answered(self, *, by_machine: bool) -> str:
        """A call of ours was taken, by a person or a machine: the message, said to the end either way."""
        said = script((self.caller.message.body if self.caller.message else None) or "")
        if by_machine:
            return saying(said.message, self._line("call_us"), self._line("farewell"), language=self.language)
        return announcement(said, language=self.language, action=self.action)

    def called(self) -> Answer:
        """Somebody calls us: where their open fault stands, else the menu; a person in any case.

        To hear it from us is to know it: the call counts as that.
        """
        effects = self._hears(ReplyIntent.ACKNOWLEDGED)
        hello = self._line("hello")
        if not isinstance(self.caller.person, Customer):
            return self._ask(hello, self._line("person")), effects
        story = self._story(self.caller.person)
        if story is None or story.over:
            return self._ask(hello, self._line("all_well"), self._line("choices")), effects
        choices = "choices" if "send" in {story.main, *story.others} else "person"
        stands = [story.danger, self._line("we_know"), f"{story.headline}.", *story.done, story.next]
        return self._ask(hello, *stands, self._line(choices)), effects

    def pressed(self, key: str) -> Answer:
        """A key was pressed."""
        if key in PERSON_KEYS:
            return self._to_a_person()
        if key not in _KEYS or not isinstance(self.caller.person, Customer):
            known = isinstance(self.caller.person, Customer)
            return self._ask(self._line("again"), self._line("choices" if known else "person")), []
        intent, answer = _KEYS[key]
        effects = self._hears(intent, key=key)
        return saying(self._line(answer), self._line("farewell"), language=self.language), effects

    def put_through(self, *, connected: bool) -> Answer:
        """The call to our person is over, or nobody took it: then somebody calls back."""
        put_through(self.session, self.caller)
        if connected:
            effects = self._hears(ReplyIntent.ACKNOWLEDGED, key="9")
            return saying(self._line("farewell"), language=self.language), effects
        return self._call_back("nobody_free")

    def _to_a_person(self) -> Answer:
        if not self.house.human_phone:
            return self._call_back("call_back")
        putting_through(self.session, self.caller, now=self.now)
        line = self._line("connecting")
        return connecting(line, self.house.human_phone, language=self.language, action=self.action), []

    def _call_back(self, answer: str) -> Answer:
        """Somebody is told to call: a promise is kept to a stranger too, as far as their number can be seen."""
        if not isinstance(self.caller.person, Customer) and not _NUMBER.fullmatch(self.caller.number.lstrip("+")):
            return saying(self._line("no_number"), self._line("farewell"), language=self.language), []
        effects = call_wanted(self.session, self.caller, now=self.now)
        return saying(self._line(answer), self._line("farewell"), language=self.language), effects

    def _hears(self, intent: ReplyIntent, *, key: str = "") -> Sequence[Effect]:
        return hears(self.session, self.caller, intent, key=key, now=self.now)

    def _ask(self, *lines: str) -> str:
        words = Script("", " ".join(filter(None, lines)), self._line("farewell"))
        return announcement(words, language=self.language, action=self.action, times=1)

    def _line(self, name: str) -> str:
        return self.house.renderer.line(name, {"maker": self._maker()}, language=self.language)

    def _maker(self) -> str:
        if not isinstance(self.caller.person, Customer):
            return HOUSE_NAME
        query = select(Product).join(Device, Device.product == Product.name)
        mine = query.where(Device.customer_id == self.caller.person.id).order_by(Device.last_seen.desc().nulls_last())
        return sender_of(self.session, self.session.scalars(mine.limit(1)).first())

    def _story(self, customer: Customer) -> Story | None:
        """Of the ticket that this call is about."""
        about = (
            select(Ticket).join(Inbound, Inbound.ticket_id == Ticket.id).where(Inbound.provider_id == self.caller.sid)
        )
        ticket = self.session.scalar(about)
        if ticket is None:
            return None
        device = self.session.get(Device, ticket.device_id)
        product = self.session.get(Product, device.product) if device and device.product else None
        facts = facts_of(self.session, ticket, customer, product)
        zone = times.zone_of(customer.timezone, device.timezone if device else None)
        return tell(facts, language=self.language, zone=zone, now=self.now)


def _language(house: Services, caller: Caller) -> str:
    """A stranger is spoken to as their number suggests."""
    stranger = "fr" if caller.number.startswith(_FRENCH) else "en"
    ours = house.dispatcher.language if caller.message else stranger
    wanted = caller.person.language if caller.person else ours
    short = wanted.partition("-")[0].lower()
    return short if short in LANGUAGES else "en"
