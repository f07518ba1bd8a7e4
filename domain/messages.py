"""Messages: what is said to whom, on which channel, and how far it got."""

from enum import StrEnum

from domain.faults import Severity


class Channel(StrEnum):
    """How a message reaches a person."""

    SMS = "sms"
    EMAIL = "email"
    VOICE = "voice"
    WHATSAPP = "whatsapp"
    PUSH = "push"
    WEBHOOK = "webhook"
    LETTER = "letter"


class Purpose(StrEnum):
    """What a message is for: people may want one and refuse another."""

    SAFETY = "safety"
    SERVICE = "service"
    APPOINTMENT = "appointment"
    MARKETING = "marketing"
    """Never sent by us; kept so that a refusal of it stands in the ledger."""


class RecipientKind(StrEnum):
    """Whom a message is for."""

    CUSTOMER = "customer"
    TECHNICIAN = "technician"
    DISPATCHER = "dispatcher"


class MessageStage(StrEnum):
    """Which moment of the story a message tells; one message per stage, ticket and recipient."""

    OPENING = "opening"
    OPENING_AFTER_REMOTE_TRY = "opening_after_remote_try"
    UNSTABLE = "unstable"
    VISIT_CONFIRMED = "visit_confirmed"
    VISIT_NONE_FREE = "visit_none_free"
    ON_THE_WAY = "on_the_way"
    RESOLVED = "resolved"
    FALSE_ALARM = "false_alarm"
    CALL_PROMISED = "call_promised"
    OPTED_OUT = "opted_out"
    RELAPSED = "relapsed"
    OPTED_IN = "opted_in"
    ACKNOWLEDGED = "acknowledged"
    """An answer to "I have seen it"."""
    AWAY = "away"
    """An answer to "I am away until …"."""
    WRONG_PERSON = "wrong_person"
    """An answer to "this is not mine"."""
    VISIT_TIME = "visit_time"
    """An answer to "when do you come?"."""
    HELP = "help"
    """An answer to the keyword HELP: who writes, and how to be left alone."""
    WHICH_ONE = "which_one"
    """A question back, where several things are open and their words fit more than one."""
    KNOWN = "known"
    """An answer to a complaint about what we had seen already."""
    AGENT_REPLY = "agent_reply"
    """A person's own words."""
    DIGEST = "digest"
    """Several things at once, instead of one message each."""
    VISIT_OFFER = "visit_offer"
    """To a technician."""
    VISIT_CANCELLED = "visit_cancelled"
    """To a technician."""
    NO_TECHNICIAN = "no_technician"
    """To the dispatcher."""
    CALL_WANTED = "call_wanted"
    """To the dispatcher."""
    NOBODY_REACHABLE = "nobody_reachable"
    """To the dispatcher."""
    APPROVAL_WANTED = "approval_wanted"
    """To the dispatcher."""
    COST_CEILING = "cost_ceiling"
    """To the dispatcher."""
    TEMPLATE_BROKEN = "template_broken"
    """To the dispatcher."""


class MessageState(StrEnum):
    """The life of a message; everything right of `accepted` comes from receipts."""

    HELD = "held"
    """Waits for a time of day."""
    READY = "ready"
    SUBMITTING = "submitting"
    """Committed before the socket opens; after a crash it is looked up, never blindly repeated."""
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    SUPPRESSED = "suppressed"
    SUPERSEDED = "superseded"
    """Another message, or another channel, has made it needless."""
    EXPIRED = "expired"
    DEAD = "dead"


_AUDIENCE = {
    MessageStage.VISIT_OFFER: RecipientKind.TECHNICIAN,
    MessageStage.VISIT_CANCELLED: RecipientKind.TECHNICIAN,
    MessageStage.NO_TECHNICIAN: RecipientKind.DISPATCHER,
    MessageStage.CALL_WANTED: RecipientKind.DISPATCHER,
    MessageStage.NOBODY_REACHABLE: RecipientKind.DISPATCHER,
    MessageStage.APPROVAL_WANTED: RecipientKind.DISPATCHER,
    MessageStage.COST_CEILING: RecipientKind.DISPATCHER,
    MessageStage.TEMPLATE_BROKEN: RecipientKind.DISPATCHER,
}


def audience(stage: MessageStage) -> RecipientKind:
    """Whom a stage is told to."""
    return _AUDIENCE.get(stage, RecipientKind.CUSTOMER)


OPENINGS = frozenset({MessageStage.OPENING, MessageStage.OPENING_AFTER_REMOTE_TRY})
"""The stages by which a person first hears of a fault."""

UPDATES = frozenset({MessageStage.UNSTABLE, MessageStage.RELAPSED})
"""The stages that tell a person who knows of a fault that it is there again, or comes and goes."""

BAD_NEWS = OPENINGS | UPDATES
"""The stages that tell a person of a fault, at first or again."""

GOOD_NEWS = frozenset({MessageStage.RESOLVED, MessageStage.FALSE_ALARM})
"""The stages that tell a person that it is over."""

ANSWERS = frozenset(
    {
        MessageStage.CALL_PROMISED,
        MessageStage.OPTED_OUT,
        MessageStage.OPTED_IN,
        MessageStage.ACKNOWLEDGED,
        MessageStage.AWAY,
        MessageStage.WRONG_PERSON,
        MessageStage.VISIT_TIME,
        MessageStage.HELP,
        MessageStage.WHICH_ONE,
        MessageStage.KNOWN,
        MessageStage.AGENT_REPLY,
    }
)
"""Answers to somebody who has just written to us."""

_APPOINTMENTS = frozenset(
    {
        MessageStage.VISIT_CONFIRMED,
        MessageStage.VISIT_NONE_FREE,
        MessageStage.ON_THE_WAY,
        MessageStage.VISIT_OFFER,
        MessageStage.VISIT_CANCELLED,
    }
)


def purpose_of(stage: MessageStage, severity: Severity) -> Purpose:
    """What a message of this stage, about trouble of this severity, is for."""
    if stage in _APPOINTMENTS:
        return Purpose.APPOINTMENT
    return Purpose.SAFETY if stage in BAD_NEWS and severity is Severity.SAFETY else Purpose.SERVICE


OUTGOING = frozenset({MessageState.HELD, MessageState.READY, MessageState.SUBMITTING, MessageState.IN_DOUBT})
"""States from which a message may still go out."""

REACHED = frozenset({MessageState.ACCEPTED, MessageState.SENT, MessageState.DELIVERED})
"""States in which the person is taken to have been told."""

_RECEIPT_RANK = {
    MessageState.ACCEPTED: 1,
    MessageState.SENT: 2,
    MessageState.UNDELIVERED: 3,
    MessageState.FAILED: 3,
    MessageState.DELIVERED: 4,
}


def advances(old: MessageState, new: MessageState) -> bool:
    """Whether a receipt moves a message on: receipts come out of order, and a late one changes nothing."""
    return _RECEIPT_RANK.get(new, 0) > _RECEIPT_RANK.get(old, 0)


class Refusal(StrEnum):
    """Why a message did not go out."""

    NO_CHANNEL = "no_channel"
    OPTED_OUT = "opted_out"
    STALE_EVIDENCE = "stale_evidence"
    NO_LONGER_TRUE = "no_longer_true"
    NEVER_TOLD = "never_told"
    QUIET_HOURS = "quiet_hours"
    MUTED = "muted"
    KEPT_BACK = "kept_back"
    """A wider fault, another that inhibits it, a maintenance window or the hours of its rule."""
    BAD_ADDRESS = "bad_address"
    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    MISCONFIGURED = "misconfigured"
    RATE_LIMITED = "rate_limited"
    UNKNOWN_OUTCOME = "unknown_outcome"
    TEMPLATE = "template"
    NEEDS_TEMPLATE = "needs_template"
    """WhatsApp takes only an approved text by now, and there is none for this."""
    NOT_LIVE = "not_live"
    """The rule behind it may not, or no longer, reach customers."""
    CAPPED = "capped"
    """Enough was said to this person for now; it stands in a summary."""
    ABSENT = "absent"
    """The person said until when they are away."""
    WRONG_PERSON = "wrong_person"
    """They said that this is not theirs."""
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    AWAITING_APPROVAL = "awaiting_approval"
    """So many people at once that a person has to agree."""
    COST = "cost"
    """It would cost more than the ceiling."""
    CIRCUIT_OPEN = "circuit_open"
    """The provider, or our account there, is in trouble."""


class Retry(StrEnum):
    """What may be done after a channel refused."""

    SAFE = "safe"
    """Definitely not processed: try again later."""
    LOOK_UP = "look_up"
    """Nobody knows: ask the provider before anything is sent again."""
    NEVER = "never"


class ReplyIntent(StrEnum):
    """What a customer's answer means."""

    FIXED = "fixed"
    SEND_SOMEONE = "send_someone"
    CALL_ME = "call_me"
    FALSE_ALARM = "false_alarm"
    """Nothing is wrong, and nothing was."""
    STOP = "stop"
    START = "start"
    ACKNOWLEDGED = "acknowledged"
    """They know; nothing else is asked."""
    WHEN = "when"
    """When does somebody come?"""
    HELP = "help"
    """The keyword: who are you, and how do I end this?"""
    NOT_MINE = "not_mine"
    """It is not their product, or not their number."""
    AWAY = "away"
    """They are away, and say until when."""
    PHOTO = "photo"
    """Pictures without a word."""
    UNCLEAR = "unclear"
    """Goes to a person."""
