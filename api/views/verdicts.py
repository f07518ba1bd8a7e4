"""Who said what of a fault, as lines for agents."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from api.views import times
from api.views.timeline import Names
from domain.verdicts import ClosingCode, Judgement
from store.tables import Verdict

CODES = {
    ClosingCode.FIXED: "found the fault and fixed it",
    ClosingCode.NOT_FOUND: "found no fault",
    ClosingCode.OTHER_CAUSE: "found another cause",
}
WORDS = {Judgement.REAL: "said that it was real", Judgement.FALSE_ALARM: "said that it was a false alarm"}


def said_of(verdict: str, code: str | None) -> str:
    """What somebody said, as the rest of a sentence that begins with them."""
    return CODES[ClosingCode(code)] if code else WORDS[Judgement(verdict)]


def verdict_lines(given: Iterable[Verdict], names: Names, *, zone: ZoneInfo, now: datetime) -> list[str]:
    """One line for each verdict, oldest first."""
    return [
        f"{names.of(one.by)} {said_of(one.verdict, one.code)}, {times.at(one.at, zone, now=now)}"
        + (f": “{one.note}”" if one.note else "")
        for one in given
    ]
