"""What a summary says: one line for each thing in it that is still so."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from domain.messages import GOOD_NEWS
from domain.outbox import Brief, Pending, Words

_WELL: Words = {"en": "runs normally again", "fr": "marche de nouveau normalement"}


def brief_of(pending: Pending, told: Collection[int]) -> Brief:
    """The brief to write from: of a summary, with `count` and `items` of the parts that it tells."""
    parts = [part for part in pending.brief.parts if part.id in told]
    if not parts:
        return pending.brief
    first = parts[0].brief
    details = {**pending.brief.details, "count": len(parts), "items": [_item(part) for part in parts]}
    return replace(pending.brief, sender=first.sender, maker=first.maker, noun=first.noun, details=details)


def _item(part: Pending) -> Mapping[str, Any]:
    brief = part.brief
    says = _WELL if part.stage in GOOD_NEWS else brief.says
    return {"noun": brief.noun, "says": says, "title": brief.title, "stage": str(part.stage)}
