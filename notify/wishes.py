"""What a person asked for and is spared: consent, reach, absence, a digest, a daily cap, quiet hours."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.faults import Severity
from domain.messages import ANSWERS, REACHED, UPDATES, Channel, MessageStage, Purpose, RecipientKind, Refusal
from domain.outbox import Pending
from notify.truth import ONLY_TO_THOSE_TOLD
from notify.verdicts import Fold, Hold, Suppress, Verdict

SUMMARY_AT = time(18)
"""When the summary of a day goes out, on the person's clock."""
MORNING_AT = time(9)
"""When it does if the evening has passed."""
_CAN_WAIT = frozenset({Severity.INFO, Severity.MINOR})
_CANNOT_WAIT = (ANSWERS - {MessageStage.AGENT_REPLY}) | {MessageStage.ON_THE_WAY}
"""A colleague's own words wait for the morning, unless the person has just written."""
_BEFORE_THE_VISIT = frozenset({MessageStage.VISIT_CONFIRMED, MessageStage.VISIT_OFFER, MessageStage.VISIT_CANCELLED})
_UNREACHABLE = {
    "bounce": "mail to this address bounced",
    "dead_number": "this number cannot be reached",
}
_REFUSED = {
    "carrier": "the carrier says that this person sent STOP",
    "unsubscribe": "this person unsubscribed",
    "page": "this person switched it off on their page",
    "agent": "an agent noted that this person wants no messages",
}


def open_channels(pending: Pending) -> list[Channel]:
    """Where this person may and can be reached with this message, best first."""
    person = pending.brief.recipient
    return [
        channel
        for channel in _wanted(pending)
        if channel not in pending.refused
        and person.address(channel)
        and (not person.refuses(channel, pending.purpose) or pending.stage is MessageStage.OPTED_OUT)
    ]


def _wanted(pending: Pending) -> list[Channel]:
    """A rung has its own; answers go where the question came from, and good news where the bad news went."""
    brief = pending.brief
    if pending.only_channel is not None:
        return [pending.only_channel]
    if pending.stage in ANSWERS and "channel" in brief.details:
        return [Channel(brief.details["channel"])]
    if pending.stage in ONLY_TO_THOSE_TOLD and brief.opening_state in REACHED and brief.opening_channel:
        return [brief.opening_channel]
    if pending.stage is MessageStage.DIGEST:
        # A summary spares the channel that has had its fill, where there is another.
        return sorted(brief.recipient.channels, key=lambda channel: _is_full(pending, channel))
    return [*brief.recipient.channels]


def consented(pending: Pending, now: datetime) -> Verdict | None:  # noqa: ARG001
    """Nobody is written to against their wish, not even of danger; only the confirmation of that wish goes out."""
    person = pending.brief.recipient
    wanted = [channel for channel in _wanted(pending) if person.address(channel)]
    if not wanted or pending.stage is MessageStage.OPTED_OUT:
        return None
    if not all(person.refuses(channel, pending.purpose) for channel in wanted):
        return None
    sources = [person.refused[channel, pending.purpose] for channel in wanted]
    wishes = [source for source in sources if source not in _UNREACHABLE]
    said = _REFUSED | _UNREACHABLE
    reasons = dict.fromkeys(said.get(source, "this person asked not to be written to") for source in sources)
    return Suppress(Refusal.OPTED_OUT if wishes else Refusal.NO_CHANNEL, "; ".join(reasons))


def reachable(pending: Pending, now: datetime) -> Verdict | None:  # noqa: ARG001
    """There must be a channel with an address."""
    if not open_channels(pending):
        return Suppress(Refusal.NO_CHANNEL, "there is no channel left that reaches this person")
    return None


def at_home(pending: Pending, now: datetime) -> Verdict | None:
    """Who is away hears of visits, and of the rest when they are back."""
    until = pending.brief.recipient.away_until
    if until is None or until <= now or not _is_news(pending):
        return None
    reason = f"this person is away until {_local(pending, until):%-d %B}"
    if pending.stage is MessageStage.DIGEST:
        return Hold(until, Refusal.ABSENT, reason)
    return Fold(until, Refusal.ABSENT, f"{reason}; it stands in the summary for then")


def wanted_at_once(pending: Pending, now: datetime) -> Verdict | None:
    """Who asked for one message a day gets what can wait in it."""
    brief = pending.brief
    if not brief.recipient.digest or brief.severity not in _CAN_WAIT or not _is_single_news(pending):
        return None
    due = next_summary(pending, now, later=SUMMARY_AT)
    return Fold(due, Refusal.CAPPED, f"this person wants one message a day; it stands in that of {_day(pending, due)}")


def within_cap(pending: Pending, now: datetime) -> Verdict | None:
    """One update a day on one trouble, and so much news on a channel; the rest stands in one summary."""
    channel = open_channels(pending)[0]
    if not _is_single_news(pending):
        return None
    if pending.stage in UPDATES and pending.brief.updated:
        enough = "one update a day is enough"
    elif _is_full(pending, channel):
        enough = f"{pending.brief.caps[channel]} by {channel} today is enough"
    else:
        return None
    due = next_summary(pending, now)
    return Fold(due, Refusal.CAPPED, f"{enough}; it stands in the summary of {_day(pending, due)}")


def outside_quiet_hours(pending: Pending, now: datetime) -> Verdict | None:
    """At night only answers, and what would be too late in the morning."""
    person = pending.brief.recipient
    if person.quiet_hours is None:
        return None
    zones = [ZoneInfo(name) for name in person.zones or (person.timezone,)]
    until = person.quiet_hours.release(now, *zones)
    if until <= now or would_be_late(pending, until):
        return None
    local = _local(pending, until)
    day = "" if local.date() - _local(pending, now).date() <= timedelta(days=1) else f"{local:%A} "
    return Hold(until, Refusal.QUIET_HOURS, f"waits until {day}{local:%H:%M} so as not to disturb at night")


def next_summary(pending: Pending, now: datetime, *, later: time = MORNING_AT) -> datetime:
    """When the next summary may go: this evening, else at `later` on the first day that has had none."""
    zone = ZoneInfo(pending.brief.recipient.timezone)
    day, at = now.astimezone(zone).date(), SUMMARY_AT
    while True:
        due = datetime.combine(day, at, tzinfo=zone).astimezone(now.tzinfo)
        if due > now and day not in pending.brief.summarised:
            return due
        day, at = day + timedelta(days=1), later


def _is_news(pending: Pending) -> bool:
    """What we bring up ourselves, to a customer, about how a product does."""
    is_customer = pending.brief.recipient.kind is RecipientKind.CUSTOMER
    return is_customer and pending.stage not in ANSWERS and pending.purpose is not Purpose.APPOINTMENT


def _is_single_news(pending: Pending) -> bool:
    return _is_news(pending) and pending.stage is not MessageStage.DIGEST


def _is_full(pending: Pending, channel: Channel) -> bool:
    brief = pending.brief
    return channel in brief.caps and brief.said_today.get(channel, 0) >= brief.caps[channel]


def would_be_late(pending: Pending, until: datetime) -> bool:
    """Whether it is of no use any more at `until`: an answer, who is on the way, a visit that begins before."""
    start = pending.brief.visit_start
    begins_before = pending.stage in _BEFORE_THE_VISIT and start is not None and start <= until
    just_wrote = bool(pending.brief.details.get("awake"))
    return begins_before or just_wrote or pending.stage in _CANNOT_WAIT


def _local(pending: Pending, moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo(pending.brief.recipient.timezone))


def _day(pending: Pending, moment: datetime) -> str:
    return f"{_local(pending, moment):%-d %B}"
