"""What the rules pages say: stages and what they mean, how far a rule is trusted, what a shadow rule would do."""

from collections.abc import Mapping
from typing import Any

from api.views.phrases import CHANNELS, plural
from api.views.states import Pill
from domain.faults import Stage

STAGES: Mapping[str, Pill] = {
    Stage.DRAFT: Pill("calm", "draft"),
    Stage.SHADOW: Pill("watch", "shadow"),
    Stage.AGENTS_ONLY: Pill("watch", "agents only"),
    Stage.LIVE: Pill("good", "live"),
    Stage.RETIRED: Pill("calm", "retired"),
}
MEANING: Mapping[str, str] = {
    Stage.DRAFT: "Not evaluated.",
    Stage.SHADOW: "Evaluated and recorded; nobody hears of it.",
    Stage.AGENTS_ONLY: "Opens tickets for agents; no customer is told.",
    Stage.LIVE: "Opens tickets, tries remote fixes and tells customers.",
    Stage.RETIRED: "No longer evaluated; its open episodes end.",
}


def trust(precision: Mapping[str, Any]) -> str:
    """Right in 8 of 9 judged, 57 to 98 %."""
    real, judged = precision["n_real"], precision["n_real"] + precision["n_false"]
    if not judged:
        return "not judged yet"
    return f"right in {real} of {judged} judged, {percent(precision['low'])} to {percent(precision['high'])}\u00a0%"


def share(precision: Mapping[str, Any]) -> str:
    """The precision as one figure."""
    known = precision["precision"]
    return "–" if known is None else f"{percent(known)}\u00a0%"


def percent(part: float) -> str:
    """Whole per cent."""
    return f"{part * 100:.0f}"


def line(rule: Mapping[str, Any]) -> str:
    """One line on a rule in a list."""
    lately = f"{plural(rule['episodes_7d'], 'episode')} in 7 days"
    product = [rule["product"]] if rule["product"] else []
    return " · ".join([rule["name"], f"version {rule['version']}", *product, lately, trust(rule["precision"])])


def would_have(would: Mapping[str, Any] | None, people: Mapping[str, str]) -> str:
    """What a shadow rule's episode would have caused, in one sentence; empty for rules that acted.

    `people` are customers' names by id.
    """
    if would is None:
        return ""
    said = {
        "open": "opened a ticket",
        "attach": f"joined ticket {would.get('ticket_id')}",
        "reopen": f"reopened ticket {would.get('ticket_id')}",
    }
    parts = [said[would["ticket"]]] if would.get("ticket") in said else ["opened no ticket"]
    if would.get("command"):
        parts.append(f"sent {would['command']}")
    if would.get("tell"):
        tell = would["tell"]
        who, channel = people.get(tell["customer_id"], tell["customer_id"]), CHANNELS.get(tell["channel"])
        parts.append(f"told {who} by {channel} {tell['when']}" if channel else f"found no way to tell {who}")
    if would.get("visit"):
        parts.append(f"sent a technician {would['visit']['when']}")
    reason = f" ({would['not']})" if would.get("not") else ""
    return f"Would have {', '.join(parts)}{reason}."
