"""The ceiling of a day keeps back what can wait, and nothing that would come too late."""

from datetime import timedelta

import pytest

from domain.brakes import Brakes, Spent
from domain.messages import MessageStage, Refusal
from notify.release import Go, Hold, release
from tests.fakes.briefs import NOW, pending

TOMORROW = NOW.replace(hour=0, minute=0) + timedelta(days=1)
SPENT = Brakes(limit=50, purses=(Spent("maker:thermia", 5.0, 5.0),), tomorrow=TOMORROW)


def visit_at(start):
    return {"visit_start": start, "visit_end": start + timedelta(hours=2)}


@pytest.mark.parametrize(
    "stage",
    [
        MessageStage.ON_THE_WAY,
        MessageStage.VISIT_CONFIRMED,
        MessageStage.VISIT_OFFER,
        MessageStage.VISIT_CANCELLED,
        MessageStage.OPTED_OUT,
        MessageStage.CALL_PROMISED,
        MessageStage.NOBODY_REACHABLE,
        MessageStage.COST_CEILING,
    ],
)
def test_above_the_ceiling_nothing_is_kept_back_that_would_come_too_late(stage):
    today = visit_at(NOW + timedelta(hours=1))
    assert isinstance(release(pending(stage, brakes=SPENT, **today), now=NOW), Go)


@pytest.mark.parametrize("stage", [MessageStage.OPENING, MessageStage.RESOLVED, MessageStage.VISIT_CONFIRMED])
def test_above_the_ceiling_what_can_wait_waits_for_the_next_day(stage):
    later = visit_at(TOMORROW + timedelta(hours=9))
    held = release(pending(stage, brakes=SPENT, **later), now=NOW)
    assert isinstance(held, Hold)
    assert (held.until, held.refusal) == (TOMORROW, Refusal.COST)
