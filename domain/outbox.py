"""What the outbox hands to the sender: a message to be, and the facts as they are at this moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from domain.brakes import NO_BRAKES, Brakes
from domain.faults import Severity, Stage
from domain.messages import (
    ANSWERS,
    BAD_NEWS,
    Channel,
    MessageStage,
    MessageState,
    Purpose,
    RecipientKind,
    Refusal,
    purpose_of,
)
from domain.people import DAILY_CAPS, Recipient
from domain.quiet import Quiet

Words = Mapping[str, str]
"""A phrase by language: {"en": …, "fr": …}."""


@dataclass(frozen=True, slots=True)
class MailThread:
    """The first e-mail that a person had about a ticket; what follows answers it."""

    message_id: str
    subject: str


@dataclass(frozen=True, slots=True)
class Brief:
    """The facts a message is decided on and written from, read afresh at its release."""

    recipient: Recipient
    sender: str
    """The maker's name as the customer knows it."""
    ticket_id: int
    ticket_open: bool
    link: str
    """Signed link to the recipient's page."""
    title: Words
    """What is wrong, as a headline."""
    noun: Words = field(default_factory=dict)
    """What the customer calls the product: "heat pump"."""
    says: Words = field(default_factory=dict)
    """Predicate after the noun: "stops too often"."""
    notice: Words = field(default_factory=dict)
    """One sentence: what the person may notice."""
    instruction: Words = field(default_factory=dict)
    """What to do at once in danger, as a command: "Get out and open the windows"."""
    severity: Severity = Severity.MINOR
    rule_stage: Stage = Stage.LIVE
    still_firing: bool = True
    """Whether a fault of the ticket is still firing or recovering (True for a ticket without a fault)."""
    muted: bool = False
    quiet: Quiet | None = None
    """Why nobody may act on the ticket now: a storm, an inhibition, a window or hours."""
    unsubscribe: str = ""
    """Signed link that refuses messages of this purpose by e-mail; empty for what is not refused by a click."""
    thread: MailThread | None = None
    """None before the first e-mail."""
    evidence_age_s: float = 0.0
    """How old the sample that fired was when it was received."""
    max_evidence_age_s: float = 3600.0
    remote_try: str | None = None
    """Name of the device command that was tried, if any."""
    opening_state: MessageState | None = None
    """State of this recipient's opening message, None if none was planned."""
    opening_channel: Channel | None = None
    last_inbound: Mapping[Channel, datetime] = field(default_factory=dict)
    """When this person last wrote to us, on channels where that opens a window for free text."""
    first_contact: bool = False
    """Whether no message has reached this person before, about anything."""
    in_contact: bool = False
    """Whether the person has written to us about it: they know, whatever became of our opening."""
    healthy_since: datetime | None = None
    technician: str | None = None
    """First name."""
    visit_start: datetime | None = None
    visit_end: datetime | None = None
    visit_state: str | None = None
    place: str = ""
    skill: str | None = None
    device_id: str = ""
    product: str = ""
    maker: str = ""
    """Id of the product's maker, whose own wording counts first."""
    customer_name: str = ""
    customer_phone: str | None = None
    origins: Mapping[Channel, str] = field(default_factory=dict)
    """What the maker sends from, where it has a number, a name or an address of its own."""
    role: str = "owner"
    """What the recipient is to the device."""
    disowned: bool = False
    """Whether the recipient has said that the device is not theirs."""
    said_today: Mapping[Channel, int] = field(default_factory=dict)
    """How many messages that count against the cap went to this person on their today, by channel."""
    updated: bool = False
    """Whether another update on this ticket went to this person within a day."""
    caps: Mapping[Channel, int] = field(default_factory=lambda: DAILY_CAPS)
    summarised: frozenset[date] = frozenset()
    """Days of the person's calendar whose summary has gone."""
    parts: tuple["Pending", ...] = ()
    """Of a summary: the messages that stand in it instead of going out themselves."""
    over: str = ""
    """Why its ladder is over: nothing of it is to go out any more."""
    brakes: Brakes = NO_BRAKES
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the announcement itself carried."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A message whose time has come, leased to this sender."""

    id: int
    stage: MessageStage
    state: MessageState
    channel: Channel | None
    """None until release has chosen one."""
    attempt: int
    """How many submissions there were so far."""
    created_at: datetime
    lease: int
    """Fencing number: a write with an older one is refused with LeaseLost."""
    brief: Brief
    body: str = ""
    """What was submitted, for a look-up at the provider."""
    address: str = ""
    provider_id: str | None = None
    provider: str = ""
    """Who took, or was to take, the last submission."""
    look_ups: int = 0
    """How often the provider was asked about the last submission."""
    refused: frozenset[Channel] = frozenset()
    """Channels whose provider said that this address will never do."""
    taken: frozenset[str] = frozenset()
    """Provider ids that belong to other messages: no look-up may claim them."""
    forgiven: int = 0
    """Of those submissions, how many there were before a person sent it again."""
    expires_at: datetime | None = None
    """When it would be of no use any more."""
    rung: int = 0
    only_channel: Channel | None = None
    """The one channel that it may take."""

    @property
    def tries(self) -> int:
        """The submissions that count for giving up."""
        return self.attempt - self.forgiven

    @property
    def purpose(self) -> Purpose:
        """What it is for."""
        return purpose_of(self.stage, self.brief.severity)

    @property
    def goes_at_any_price(self) -> bool:
        """Whether no ceiling keeps it back: all that has to do with danger, and who writes to us is answered."""
        return self.brief.severity is Severity.SAFETY or self.stage in ANSWERS

    @property
    def counts(self) -> bool:
        """Whether it tells one more person of its causes: not where danger is, nor once more on another rung."""
        news = self.stage in BAD_NEWS and self.brief.recipient.kind is RecipientKind.CUSTOMER
        first = not self.attempt and (not self.rung or self.brief.opening_state is MessageState.SUPERSEDED)
        return news and first and self.purpose is not Purpose.SAFETY


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent. `html` is for e-mail; `subject` also heads a push and a letter; a call's text is a script of
    message, menu and farewell."""

    text: str
    subject: str = ""
    html: str = ""
    link: str = ""
    """Where a tap leads, for channels that keep it apart from the text."""
    sender: str = ""
    """The maker, as the person knows it; heads a letter, and signs an e-mail."""
    origin: str = ""
    """The number, name or address that it leaves from, where the maker has one of its own."""
    language: str = "en"
    moment: str = ""
    """Which template it was written from."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """The words it was written with, for a channel whose texts have to be approved elsewhere."""
    last_inbound: datetime | None = None
    """When this person last wrote to us on this channel."""
    template: str = ""
    """Whose words these are: `sms/opening.fr.txt`, or `thermia.opening.sms v3`."""
    unsubscribe: str = ""
    """Link that refuses what an e-mail is for; empty for what is not refused by a click."""
    in_reply_to: str = ""
    """Message-ID of the mail that this one follows."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider says of a message it took."""

    provider_id: str
    state: MessageState
    code: str = ""
    detail: str = ""
    refusal: Refusal | None = None
    """Set where the provider says that this address will never do."""
