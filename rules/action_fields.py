"""The fields of a rule that say when its faults may act: storms, inhibitions, hours. The engine reads none of them."""

import re
from collections.abc import Iterator
from typing import Any

from rules.fields import Fields
from rules.model import Hours, Inhibits, Reach, Storm

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WALL = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
_LAST = "24:00"


def read_storm(fields: Fields) -> Storm:
    """`storm: {by: [gateway, site, firmware], devices: 5, share: 0.2, silent: 0.5}`; defaults for the rest."""
    part = fields.part("storm")
    if part is None:
        return Storm()
    part.only(("by", "devices", "share", "silent"))
    plain = Storm()
    devices = part.whole("devices", least=2, most=1_000_000) if "devices" in part.data else plain.devices
    return Storm(
        by=_names(part, "by") if "by" in part.data else plain.by,
        devices=devices or plain.devices,
        share=_share(part, "share", plain.share),
        silent=_share(part, "silent", plain.silent),
    )


def read_inhibits(fields: Fields, name: str) -> tuple[Inhibits, ...]:
    """`inhibits: [{rule: NAME | family: F, on: device | below_gateway}]`."""
    return tuple(found for part in _parts(fields, "inhibits", "[{rule: NAME}]") if (found := _inhibits(part, name)))


def read_active(fields: Fields) -> tuple[Hours, ...]:
    """`active: [{days: mon-fri, from: "08:00", to: "20:00"}]`."""
    example = '[{days: mon-fri, from: "08:00", to: "20:00"}]'
    return tuple(found for part in _parts(fields, "active", example) if (found := _hours(part)))


def _parts(fields: Fields, key: str, example: str) -> Iterator[Fields]:
    value = fields.data.get(key)
    if value is None:
        return
    if not isinstance(value, list):
        fields.wrong(key, f"{value!r} is not a list", cure=f"write {key}: {example}")
        return
    for index, item in enumerate(value):
        at = (*fields.at, key, index)
        if isinstance(item, dict):
            yield Fields(fields.document, at, errors=fields.errors)
        else:
            error = fields.document.error(f"{item!r} is not a mapping", at=at, cure=f"write {key}: {example}")
            fields.errors.append(error)


def _inhibits(part: Fields, name: str) -> Inhibits | None:
    part.only(("rule", "family", "on"))
    if ("rule" in part.data) == ("family" in part.data):
        one = "names both a rule and a family" if "rule" in part.data else "names neither a rule nor a family"
        part.wrong("rule", one, cure="write one of {rule: NAME} and {family: NAME}")
        return None
    rule, family = part.text("rule"), part.text("family")
    reach = part.choice("on", Reach) or Reach.DEVICE
    if rule == name and reach is Reach.DEVICE:
        part.wrong("rule", f"{name!r} would inhibit itself", cure="name another rule")
        return None
    return Inhibits(rule, family, reach) if rule or family else None


def _hours(part: Fields) -> Hours | None:
    part.only(("days", "from", "to"))
    days = _days(part) if part.data.get("days") is not None else tuple(range(7))
    start, end = _wall(part, "from"), _wall(part, "to")
    if not days or start is None or end is None:
        return None
    if start == end:
        part.wrong("to", f"{end!r} is where it begins, too", cure='write from: "00:00" and to: "24:00" for a whole day')
        return None
    return Hours(days, start, end)


def _wall(part: Fields, key: str) -> str | None:
    value = part.data.get(key)
    if isinstance(value, str) and (_WALL.fullmatch(value) or (key == "to" and value == _LAST)):
        return value
    problem = "is missing" if value is None else f"{value!r} is not a time of day"
    part.wrong(key, problem, cure=f'write {key}: "{"20:00" if key == "to" else "08:00"}"')
    return None


def _days(part: Fields) -> tuple[int, ...]:
    """From `mon-fri`, `sat, sun`, or a list of such."""
    value = part.data["days"]
    spans = value if isinstance(value, list) else str(value).split(",")
    found: set[int] = set()
    for span in spans:
        days = _span(span)
        if not days:
            part.wrong("days", f"{span!r} names no days", cure=f"write mon-fri, or some of {', '.join(DAYS)}")
            return ()
        found.update(days)
    return tuple(sorted(found))


def _span(span: Any) -> list[int]:
    first, _, last = str(span).strip().partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        return []
    start, end = DAYS.index(first), DAYS.index(last or first)
    return [day % 7 for day in range(start, (end if end >= start else end + 7) + 1)]


def _names(part: Fields, key: str) -> tuple[str, ...]:
    value = part.data[key]
    if isinstance(value, list) and all(isinstance(name, str) and name.strip() for name in value):
        return tuple(dict.fromkeys(value))
    part.wrong(key, f"{value!r} is not a list of names", cure=f"write {key}: [gateway, site, firmware], or attributes")
    return ()


def _share(part: Fields, key: str, default: float) -> float:
    value = part.data.get(key, default)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        return float(value)
    part.wrong(key, f"{value!r} is no share", cure=f"write {key}: {default}, a number above 0, at most 1")
    return default
