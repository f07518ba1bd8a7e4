"""The demo's voice: each thing that happens to a ticket becomes one line in the terminal."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from app.surface import Surface, Unreachable

Entry = Mapping[str, Any]
LONGEST = 170
"""Characters of a message that are shown: one SMS, or the beginning of an e-mail."""

Words = str | Callable[[Entry], str]

PHRASES: dict[str, tuple[str, str, Words]] = {
    "onset": ("·", "yellow", "first bad reading"),
    "fault_fired": ("!", "red", lambda d: f"fault: {_title(d)}"),
    "ticket_opened": ("+", "bold", "ticket opened"),
    "ticket_reopened": ("+", "bold", "ticket reopened: it came back"),
    "command_queued": ("→", "cyan", lambda d: f"trying from afar: {d.get('name', 'command')}"),
    "command_done": ("←", "cyan", lambda d: f"device did it: {d.get('name', 'command')}"),
    "command_failed": ("←", "red", lambda d: f"device could not: {d.get('detail') or d.get('name', 'command')}"),
    "command_timed_out": ("←", "red", "no answer from the device"),
    "verify_failed": ("·", "yellow", "telemetry says that it did not help"),
    "message_accepted": ("✉", "magenta", lambda d: f"{_whom(d)}: “{_one_line(d.get('body'))}”"),
    "message_held": ("·", "dim", lambda d: f"message {d.get('reason', 'waits')}"),
    "message_suppressed": ("·", "dim", lambda d: f"nobody told: {d.get('reason', '')}"),
    "reply": ("✉", "green", lambda d: f"customer answers: “{d.get('text', '')}”"),
    "visit_offered": ("⌂", "blue", lambda d: f"visit offered to {d.get('technician', 'a technician')}"),
    "visit_declined": ("⌂", "yellow", lambda d: f"{d.get('technician', 'technician')} declines"),
    "visit_accepted": ("⌂", "blue", lambda d: f"{d.get('technician', 'technician')} accepts"),
    "visit_en_route": ("⌂", "blue", "technician on the way"),
    "visit_arrived": ("⌂", "blue", "technician has arrived"),
    "visit_completed": ("⌂", "blue", "repair done; telemetry must prove it"),
    "fault_cleared": ("✓", "green", "telemetry reads normal again"),
    "ticket_resolved": ("✓", "bold green", "resolved: telemetry stayed healthy"),
    "ticket_closed": ("✓", "bold green", "ticket closed"),
}


class Narrator:
    """Reads tickets through the public surface, and says what is new."""

    def __init__(self, console: Console, surface: Surface) -> None:
        self._console, self._surface = console, surface
        self._told: dict[int, int] = {}
        self._names: dict[str, str] = {}

    def greet(self, environment: Mapping[str, str]) -> None:
        """Where to look while it happens."""
        url, token = self._surface.url, environment["PREVENANT_ADMIN_TOKEN"]
        start = environment["PREVENANT_CLOCK"].partition("*")[0]
        self._console.print()
        self._console.print("[bold]Prevenant[/bold]  twelve products, their owners, four technicians: a working day")
        self._console.print(f"  Console   [link]{url}/?token={token}[/link]", soft_wrap=True)
        self._console.print(f"  Phones    {url}/sandbox     what each person gets; answer as one of them")
        self._console.print(
            f"  Clock     {start or 'real time'}, five minutes pass in a second;  Ctrl-C ends", style="dim"
        )
        self._console.print()

    def tell(self) -> None:
        """Print what has happened since the last time; nothing while the service restarts."""
        try:
            news = sorted(self._news(), key=lambda item: str(item[1]["at"]))
        except Unreachable:
            return
        for ticket, entry in news:
            self._line(ticket, entry)

    def sum_up(self) -> None:
        """The day in a few figures."""
        figures = {row["name"]: row for row in self._surface.get("/v1/kpis")["items"]}
        self._console.print()
        self._console.print(
            "The story is complete: every ticket is closed, by the telemetry itself.", style="bold green"
        )
        self._console.print()
        for row in figures.values():
            if row.get("value") is not None:
                label = str(row["name"]).replace("_", " ")
                self._console.print(f"  {label:<28} {_figure(row['value'])}   [dim]n = {row.get('n')}[/dim]")

    def _news(self) -> Iterator[tuple[Entry, Entry]]:
        for row in self._surface.items("/v1/tickets"):
            ticket = self._surface.get(f"/v1/tickets/{row['id']}")
            seen = self._told.get(ticket["id"], 0)
            self._told[ticket["id"]] = len(ticket["timeline"])
            # New entries may carry an earlier event time, so count by order of writing where the surface gives one.
            for entry in ticket["timeline"][seen:]:
                yield ticket, entry

    def _line(self, ticket: Entry, entry: Entry) -> None:
        if entry["kind"] not in PHRASES:
            return
        mark, style, phrase = PHRASES[entry["kind"]]
        words = phrase if isinstance(phrase, str) else phrase(entry["detail"])
        at = datetime.fromisoformat(str(entry["at"])).strftime("%H:%M")
        line = Text.assemble(
            (f"{at}  ", "dim"),
            (f"{mark} ", style),
            (f"{ticket['device_id']:<12}", "bold"),
            " ",
            words,
        )
        self._console.print(line, soft_wrap=True)


def _title(detail: Entry) -> str:
    title = detail.get("title")
    return str(title.get("en", title)) if isinstance(title, Mapping) else str(title or detail.get("rule", ""))


def _whom(detail: Entry) -> str:
    channel = {"sms": "SMS", "email": "e-mail"}.get(str(detail.get("channel")), "message")
    return f"{channel} to {detail.get('to', 'customer')}"


def _one_line(text: Any) -> str:
    words = " ".join(str(text or "").split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1].rstrip() + "…"


def _figure(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
