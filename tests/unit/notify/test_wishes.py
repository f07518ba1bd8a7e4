"""Caps, digests and absence for whatever comes on a day: nothing beyond the cap, nothing lost, danger always."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.faults import Severity
from domain.messages import Channel, MessageStage, Refusal
from domain.people import DAILY_CAPS
from notify.release import Fold, Go, Hold, release
from notify.wishes import next_summary
from tests.fakes.briefs import NOW, pending

STAGES = st.sampled_from(
    [MessageStage.OPENING, MessageStage.RELAPSED, MessageStage.UNSTABLE, MessageStage.CALL_PROMISED]
)
DAY = st.lists(st.tuples(STAGES, st.sampled_from(list(Severity))), max_size=30)
CAPS = st.fixed_dictionaries({Channel.SMS: st.integers(0, 5)})


def wishing(message, **wishes):
    person = replace(message.brief.recipient, **wishes)
    return replace(message, brief=replace(message.brief, recipient=person))


@given(day=DAY, caps=CAPS, digest=st.booleans())
def test_news_never_goes_beyond_the_cap_and_what_does_not_go_is_in_a_summary(day, caps, digest):
    said = 0
    for stage, severity in day:
        message = pending(stage, severity=severity, caps=caps, said_today={Channel.SMS: said})
        verdict = release(wishing(message, digest=digest), now=NOW)
        free = stage is MessageStage.CALL_PROMISED or severity is Severity.SAFETY
        assert isinstance(verdict, Go | Fold)
        assert isinstance(verdict, Go) or not free
        if isinstance(verdict, Fold):
            assert said >= caps[Channel.SMS] or digest
            assert verdict.until > NOW
        elif not free:
            said += 1
    assert said <= caps[Channel.SMS]


@given(severity=st.sampled_from(list(Severity)), hours=st.integers(0, 23), away=st.booleans(), digest=st.booleans())
def test_danger_passes_over_every_wish_but_a_refusal_and_says_over_which(severity, hours, away, digest):
    now = NOW.replace(hour=hours)
    wishes = {"digest": digest, "away_until": now + timedelta(days=3) if away else None}
    message = pending(severity=severity, said_today=DAILY_CAPS)
    verdict = release(wishing(message, **wishes), now=now)
    if severity is not Severity.SAFETY:
        assert isinstance(verdict, Fold | Hold)
        return
    assert isinstance(verdict, Go)
    night = not 8 <= now.astimezone(ZoneInfo("Europe/Paris")).hour < 21
    passed = {Refusal.CAPPED} | ({Refusal.ABSENT} if away else set()) | ({Refusal.QUIET_HOURS} if night else set())
    assert set(verdict.overrides) == passed


@given(minutes=st.integers(0, 3 * 24 * 60), used=st.integers(0, 3))
def test_a_summary_is_never_in_the_past_and_never_a_second_one_a_day(minutes, used):
    zone = ZoneInfo("Europe/Paris")
    now = datetime(2026, 3, 27, tzinfo=UTC) + timedelta(minutes=minutes)  # the clocks change on the 29th
    today = now.astimezone(zone).date()
    gone = frozenset(today + timedelta(days=n) for n in range(used))
    due = next_summary(pending(summarised=gone), now)
    assert due > now
    assert due.astimezone(zone).date() not in gone
    assert due.astimezone(zone).hour in {9, 18}
    assert due - now <= timedelta(days=used + 1)


def test_a_summary_spares_the_channel_that_is_full():
    part = pending()
    summary = pending(MessageStage.DIGEST, parts=(part,), said_today={Channel.SMS: 3})
    assert release(summary, now=NOW) == Go(Channel.EMAIL, "alice@example.net", (), (part.id,))
    assert release(wishing(summary, email=None), now=NOW) == Go(Channel.SMS, "+33612345678", (), (part.id,))
    assert isinstance(release(wishing(summary, away_until=NOW + timedelta(days=1)), now=NOW), Hold)


@pytest.mark.parametrize("stage", [MessageStage.RELAPSED, MessageStage.UNSTABLE])
def test_a_second_update_on_the_same_trouble_within_a_day_stands_in_the_summary(stage):
    assert isinstance(release(pending(stage), now=NOW), Go)
    folded = release(pending(stage, updated=True), now=NOW)
    assert isinstance(folded, Fold)
    assert folded.reason.startswith("one update a day is enough; it stands in the summary of")


def test_one_update_does_not_keep_back_its_end_nor_danger():
    assert isinstance(release(pending(MessageStage.RESOLVED, updated=True), now=NOW), Go)
    assert isinstance(release(pending(MessageStage.RELAPSED, updated=True, severity=Severity.SAFETY), now=NOW), Go)
