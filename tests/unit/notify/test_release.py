"""Release: whether a message may go out now, and the reason if not."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.faults import Severity, Stage
from domain.messages import OPENINGS, Channel, MessageStage, MessageState, Purpose, Refusal
from domain.people import QuietHours
from notify.release import Go, Hold, Suppress, Wait, open_channels, release
from tests.fakes.briefs import NOW, pending

NIGHT = datetime(2026, 3, 3, 22, 0, tzinfo=UTC)
ABOUT_A_FAULT = [*sorted(OPENINGS), MessageStage.RELAPSED, MessageStage.UNSTABLE]


def with_person(message, **changes):
    person = replace(message.brief.recipient, **changes)
    return replace(message, brief=replace(message.brief, recipient=person))


def no_to(*channels):
    return {(channel, purpose): "stop" for channel in channels for purpose in Purpose}


def visit_after(*, hours):
    start = NIGHT + timedelta(hours=hours)
    return {"visit_start": start, "visit_end": start + timedelta(hours=2)}


def refusal(verdict):
    assert isinstance(verdict, Suppress), verdict
    assert verdict.reason
    return verdict.refusal


@pytest.mark.parametrize("stage", list(MessageStage))
def test_by_day_with_everything_true_each_message_goes_out(stage):
    assert release(pending(stage), now=NOW) == Go(Channel.SMS, "+33612345678")


@pytest.mark.parametrize("stage", ABOUT_A_FAULT)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"still_firing": False}, Refusal.NO_LONGER_TRUE),
        ({"ticket_open": False}, Refusal.NO_LONGER_TRUE),
        ({"muted": True}, Refusal.MUTED),
        ({"rule_stage": Stage.AGENTS_ONLY}, Refusal.NOT_LIVE),
        ({"rule_stage": Stage.RETIRED}, Refusal.NOT_LIVE),
        ({"evidence_age_s": 3601.0}, Refusal.STALE_EVIDENCE),
    ],
)
def test_a_fault_is_told_only_while_it_is_true_fresh_and_wanted(stage, change, why):
    assert refusal(release(pending(stage, **change), now=NOW)) is why


def test_evidence_as_old_as_allowed_is_fresh():
    assert isinstance(release(pending(evidence_age_s=3600.0), now=NOW), Go)


@pytest.mark.parametrize(
    ("stage", "state", "goes"),
    [
        (MessageStage.VISIT_OFFER, "offered", True),
        (MessageStage.VISIT_OFFER, "declined", False),
        (MessageStage.VISIT_OFFER, None, False),
        (MessageStage.VISIT_CONFIRMED, "cancelled", False),
        (MessageStage.ON_THE_WAY, "en_route", True),
        (MessageStage.ON_THE_WAY, "on_site", False),
        (MessageStage.VISIT_CANCELLED, "cancelled", True),
    ],
)
def test_a_visit_is_told_as_it_stands(stage, state, goes):
    verdict = release(pending(stage, visit_state=state), now=NOW)
    assert isinstance(verdict, Go) if goes else refusal(verdict) is Refusal.NO_LONGER_TRUE


@pytest.mark.parametrize(
    "stage", [MessageStage.VISIT_OFFER, MessageStage.VISIT_CONFIRMED, MessageStage.VISIT_CANCELLED]
)
def test_a_visit_that_is_past_is_not_told(stage):
    assert refusal(release(pending(stage, visit_end=NOW - timedelta(minutes=1)), now=NOW)) is Refusal.NO_LONGER_TRUE


@pytest.mark.parametrize("stage", [MessageStage.RESOLVED, MessageStage.FALSE_ALARM])
def test_good_news_is_not_told_when_the_trouble_is_back(stage):
    assert refusal(release(pending(stage, ticket_open=True), now=NOW)) is Refusal.NO_LONGER_TRUE


@pytest.mark.parametrize("opening", [None, *sorted(set(MessageState))])
def test_good_news_follows_the_fate_of_the_opening(opening):
    message = pending(MessageStage.RESOLVED, opening_state=opening)
    verdict = release(message, now=NOW)
    if opening in {MessageState.ACCEPTED, MessageState.SENT, MessageState.DELIVERED}:
        assert isinstance(verdict, Go)
    elif opening in {MessageState.SUBMITTING, MessageState.IN_DOUBT}:
        assert isinstance(verdict, Wait)
        late = release(message, now=NOW + timedelta(hours=1))
        assert refusal(late) is Refusal.NEVER_TOLD
    else:
        assert refusal(verdict) is Refusal.NEVER_TOLD


def test_who_wrote_to_us_first_hears_the_good_news():
    message = pending(MessageStage.RESOLVED, opening_state=None, opening_channel=None, in_contact=True)
    assert isinstance(release(message, now=NOW), Go)


def test_good_news_takes_the_way_of_the_bad_news_or_none():
    message = pending(MessageStage.RESOLVED, opening_channel=Channel.EMAIL)
    assert release(message, now=NOW) == Go(Channel.EMAIL, "alice@example.net")
    opted_out = with_person(message, refused=no_to(Channel.EMAIL))
    assert refusal(release(opted_out, now=NOW)) is Refusal.OPTED_OUT


def test_an_opt_out_of_one_channel_leaves_the_other():
    message = with_person(pending(), refused=no_to(Channel.SMS))
    assert release(message, now=NOW) == Go(Channel.EMAIL, "alice@example.net")


def test_an_opt_out_of_all_holds_even_in_danger():
    message = with_person(pending(severity=Severity.SAFETY), refused=no_to(*Channel))
    assert refusal(release(message, now=NOW)) is Refusal.OPTED_OUT


def test_an_opt_out_counts_where_the_other_channel_has_no_address():
    message = with_person(pending(), refused=no_to(Channel.SMS), email=None)
    assert refusal(release(message, now=NOW)) is Refusal.OPTED_OUT


def test_the_confirmation_of_an_opt_out_goes_out_on_the_channel_of_the_wish_at_any_hour():
    message = pending(MessageStage.OPTED_OUT, details={"channel": "email"})
    message = with_person(message, refused=no_to(Channel.EMAIL))
    assert release(message, now=NIGHT) == Go(Channel.EMAIL, "alice@example.net")


def test_an_answer_goes_back_where_the_question_came_from():
    message = pending(MessageStage.CALL_PROMISED, details={"channel": "email"})
    assert release(message, now=NIGHT) == Go(Channel.EMAIL, "alice@example.net")


def test_nobody_without_an_address_is_reached():
    assert refusal(release(with_person(pending(), phone=None, email=None), now=NOW)) is Refusal.NO_CHANNEL
    assert refusal(release(with_person(pending(), channels=()), now=NOW)) is Refusal.NO_CHANNEL


def test_a_refused_channel_is_not_tried_again():
    message = replace(pending(), refused=frozenset({Channel.SMS}))
    assert open_channels(message) == [Channel.EMAIL]
    assert refusal(release(replace(message, refused=frozenset(Channel)), now=NOW)) is Refusal.NO_CHANNEL


def test_preference_is_honoured():
    message = with_person(pending(), channels=(Channel.EMAIL, Channel.SMS))
    assert release(message, now=NOW) == Go(Channel.EMAIL, "alice@example.net")


def test_the_night_is_kept_in_the_persons_zone():
    verdict = release(pending(), now=NIGHT)
    assert isinstance(verdict, Hold)
    assert verdict.until == datetime(2026, 3, 4, 7, 0, tzinfo=UTC)
    assert (verdict.refusal, "08:00" in verdict.reason) == (Refusal.QUIET_HOURS, True)
    in_montreal = with_person(pending(), timezone="America/Montreal")
    assert isinstance(release(in_montreal, now=NIGHT), Go)


@pytest.mark.parametrize(
    "message",
    [
        pending(severity=Severity.SAFETY),
        pending(MessageStage.ON_THE_WAY),
        pending(MessageStage.CALL_PROMISED),
        pending(MessageStage.VISIT_OFFER, visit_end=NIGHT + timedelta(hours=12)),
        pending(MessageStage.NO_TECHNICIAN),
        pending(MessageStage.VISIT_CONFIRMED, **visit_after(hours=9)),
        with_person(pending(), quiet_hours=None),
    ],
    ids=["danger", "on the way", "an answer", "technician", "dispatcher", "visit at dawn", "no quiet hours wanted"],
)
def test_what_cannot_wait_goes_out_at_night(message):
    assert isinstance(release(message, now=NIGHT), Go)


def test_a_visit_later_in_the_day_is_confirmed_in_the_morning():
    message = pending(MessageStage.VISIT_CONFIRMED, **visit_after(hours=14))
    assert isinstance(release(message, now=NIGHT), Hold)


ZONES = st.sampled_from(
    ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "UTC", "Asia/Kathmandu"]
)
TIMES = st.times(min_value=time(0), max_value=time(23, 59)).map(lambda t: t.replace(second=0, microsecond=0))
# Every change of the clocks of those zones in 2026 and 2027 lies within.
MOMENTS = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(moment=MOMENTS, name=ZONES, start=TIMES, end=TIMES)
def test_held_till_morning_is_never_held_again(moment, name, start, end):
    quiet, zone = QuietHours(start, end), ZoneInfo(name)
    released = quiet.release(moment, zone)
    assert released >= moment
    assert released - moment <= timedelta(hours=26)
    assert not quiet.holds(released, zone)


def _changes(zone):
    day = date(2026, 1, 1)
    while day < date(2027, 12, 31):
        noon = datetime.combine(day, time(12), tzinfo=zone)
        if noon.utcoffset() != (noon + timedelta(days=1)).utcoffset():
            yield day + timedelta(days=1)
        day += timedelta(days=1)


def test_the_hour_that_comes_twice_is_quiet_twice():
    paris = ZoneInfo("Europe/Paris")
    again = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    assert QuietHours(time(21), time(2, 30)).release(again, paris) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_an_hour_that_does_not_come_ends_the_quiet_after_the_gap():
    paris = ZoneInfo("Europe/Paris")
    before = datetime(2026, 3, 29, 0, 50, tzinfo=UTC)  # 01:50, and then 03:00
    assert QuietHours(time(21), time(2, 30)).release(before, paris) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


CHANGING = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]
HALF_HOURS = [time(minutes // 60, minutes % 60) for minutes in range(0, 4 * 60, 30)]


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("end", [*HALF_HOURS, time(8)])
def test_the_nights_when_the_clocks_change_are_kept_too(name, end):
    zone, quiet = ZoneInfo(name), QuietHours(time(21), end)
    for day in _changes(zone):
        midnight = datetime.combine(day, time(0), tzinfo=zone).astimezone(UTC)
        for minutes in range(-60, 5 * 60, 10):
            moment = midnight + timedelta(minutes=minutes)
            released = quiet.release(moment, zone)
            assert not quiet.holds(released, zone)
            assert moment <= released <= moment + timedelta(hours=12)
            assert quiet.holds(moment, zone) or released == moment


def test_there_are_nights_when_the_clocks_change():
    assert all(len(list(_changes(ZoneInfo(name)))) == 4 for name in CHANGING)
