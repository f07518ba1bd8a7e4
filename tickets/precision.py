"""How far each rule can be trusted: its precision by verdicts, and which rules are noise, with reason and cure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Integer, func, select
from sqlalchemy.orm import Session

from domain.verdicts import Interval, Judgement, wilson
from store.tables import Fault

JUDGED_OVER = timedelta(days=90)
SEEN_OVER = timedelta(days=7)
DAY_S = 86_400.0
LEAST_VERDICTS = 5
DOUBTFUL_BELOW = 0.5
"""A rule whose precision is below this with 95 % confidence is wrong more often than right."""
LEAST_EPISODES = 5
PER_DEVICE_DAY = 3.0
"""More episodes a day on each device that has any are no faults, but one sensor that chatters."""
FLAPPING_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Tally:
    """What is known of one rule."""

    real: int = 0
    false: int = 0
    unknown: int = 0
    """Episodes of the last 90 days that nobody has judged."""
    episodes: int = 0
    """Of the last 7 days, as all that follow."""
    devices: int = 0
    flapping: int = 0
    days: float = 7.0
    """So much of the 7 days lies after the rule's first episode; at least one."""

    @property
    def judged(self) -> int:
        return self.real + self.false

    @property
    def precision(self) -> float | None:
        return self.real / self.judged if self.judged else None

    @property
    def interval(self) -> Interval:
        """Wilson's, 95 %."""
        return wilson(self.real, self.judged)

    @property
    def per_device_day(self) -> float:
        """Episodes per day and device that had one."""
        return self.episodes / (self.devices * self.days) if self.devices else 0.0


@dataclass(frozen=True, slots=True)
class Noise:
    """Why a rule is noisy, and what to do about it."""

    reason: str
    cure: str


def noise(tally: Tally) -> Noise | None:
    """The first that applies: mostly wrong, chattering, flapping; None for a rule that may be trusted so far."""
    if tally.judged >= LEAST_VERDICTS and tally.interval.high < DOUBTFUL_BELOW:
        reason = f"{tally.false} of {tally.judged} judged faults were false alarms"
        return Noise(reason, "move it to shadow, then tighten `when` or raise `for`")
    if tally.episodes >= LEAST_EPISODES and tally.per_device_day > PER_DEVICE_DAY:
        reason = f"{tally.per_device_day:.1f} episodes per day on each device that has any"
        return Noise(reason, "raise `for`, or give `clear` some distance from `when`")
    if tally.episodes >= LEAST_EPISODES and tally.flapping / tally.episodes >= FLAPPING_SHARE:
        reason = f"{tally.flapping} of {tally.episodes} episodes flapped"
        return Noise(reason, "raise `keep_firing_for`, or give `clear` some distance from `when`")
    return None


def tallies(session: Session, *, now: datetime, rules: Collection[str] | None = None) -> Mapping[str, Tally]:
    """By rule that has fired, in three queries whatever their number. Superseded episodes do not count."""
    counted = Fault.superseded.is_(False)
    among = () if rules is None else (Fault.rule.in_(rules),)
    judged = (
        select(Fault.rule, Fault.verdict, func.count())
        .where(counted, *among, Fault.fired_at >= now - JUDGED_OVER)
        .group_by(Fault.rule, Fault.verdict)
    )
    counts: dict[str, dict[str | None, int]] = {}
    for rule, verdict, count in session.execute(judged):
        counts.setdefault(rule, {})[verdict] = count
    lately = (
        select(
            Fault.rule,
            func.count(),
            func.count(Fault.device_id.distinct()),
            func.sum(Fault.flapping.cast(Integer)),
        )
        .where(counted, *among, Fault.fired_at >= now - SEEN_OVER)
        .group_by(Fault.rule)
    )
    seen = {rule: (episodes, devices, flapping) for rule, episodes, devices, flapping in session.execute(lately)}
    first = dict(session.execute(select(Fault.rule, func.min(Fault.fired_at)).where(*among).group_by(Fault.rule)).all())
    return {
        rule: Tally(
            of.get(Judgement.REAL, 0),
            of.get(Judgement.FALSE_ALARM, 0),
            of.get(None, 0),
            *seen.get(rule, (0, 0, 0)),
            days=min(7.0, max(1.0, (now - first[rule]).total_seconds() / DAY_S)),
        )
        for rule, of in counts.items()
    }
