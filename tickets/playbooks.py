"""What is done about a fault, step by step: read from a playbook's manifest before a ticket follows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from domain.durations import parse_duration_s
from domain.errors import SourceError
from domain.ladders import Ladder
from tickets.rungs import read_ladder

_DAY_S = 86_400.0
_TOP_KEYS = ("kind", "name", "title", "steps", "healthy_for", "close_after", "visit", "notice", "instruction", "ladder")
_VISIT_KEYS = ("skill", "duration", "after", "answer_within")


@dataclass(frozen=True, slots=True)
class CommandStep:
    """Send a device command and wait for its outcome."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class VerifyStep:
    """Give telemetry this long to show that the command helped."""

    for_s: float


@dataclass(frozen=True, slots=True)
class MessageStep:
    """Tell the customer, and wait for an answer or for recovery."""

    wait_s: float | None = None
    """Then the next step; None: as long as a visit waits for a lasting fault."""


@dataclass(frozen=True, slots=True)
class VisitStep:
    """Ask for a technician."""

    skill: str | None = None
    """None: the skill of the playbook's `visit`."""


Step = CommandStep | VerifyStep | MessageStep | VisitStep


@dataclass(frozen=True, slots=True)
class VisitPlan:
    """What a visit for this fault takes."""

    skill: str | None = None
    """None: anybody."""
    duration_s: float = 3600.0
    after_s: float = _DAY_S
    """A `major` or worse fault that lasts this long gets a visit without being asked for."""
    answer_within_s: float = 1800.0
    """How long a technician has to answer an offer."""


@dataclass(frozen=True, slots=True)
class Playbook:
    """The default one tells the customer, and resolves as soon as telemetry is healthy."""

    name: str = "default"
    steps: tuple[Step, ...] = (MessageStep(),)
    healthy_for_s: float = 0.0
    close_after_s: float = _DAY_S
    visit: VisitPlan = VisitPlan()
    notice: Mapping[str, str] = field(default_factory=dict)
    instruction: Mapping[str, str] = field(default_factory=dict)
    """What a person must do at once, for a rule of severity safety: "Get out, open windows"."""
    ladder: Ladder | None = None
    """How insistently the customer is told; None: as the severity has it."""

    def step(self, index: int) -> Step | None:
        """The step at `index`, None beyond the end."""
        return self.steps[index] if 0 <= index < len(self.steps) else None

    def first_hand(self) -> int:
        """Index of the first step that involves a person: where a relapse begins, since a remote fix did not last."""
        people = (i for i, step in enumerate(self.steps) if isinstance(step, MessageStep | VisitStep))
        return next(people, 0)


DEFAULT = Playbook()


def parse_playbook(body: Mapping[str, Any]) -> Playbook:
    """A playbook from its manifest. Raises SourceError that names the key and what would be right."""
    _known(body, _TOP_KEYS, "")
    name = body.get("name", DEFAULT.name)
    if not isinstance(name, str) or not name:
        raise SourceError(f"{name!r} is no name", key="name", cure="write text, for example restart-then-ask")
    return Playbook(
        name=name,
        steps=_steps(body["steps"]) if "steps" in body else DEFAULT.steps,
        healthy_for_s=_duration(body, "healthy_for", DEFAULT.healthy_for_s),
        close_after_s=_duration(body, "close_after", DEFAULT.close_after_s),
        visit=_visit_plan(body.get("visit", {}), "visit"),
        notice=_words(body.get("notice", {}), "notice"),
        instruction=_words(body.get("instruction", {}), "instruction"),
        ladder=read_ladder(body["ladder"], "ladder") if "ladder" in body else None,
    )


def _steps(raw: Any) -> tuple[Step, ...]:
    if not isinstance(raw, list) or not raw:
        raise SourceError("needs at least one step", key="steps", cure="write for example steps: [message: customer]")
    return tuple(_step(item, f"steps.{index}") for index, item in enumerate(raw))


def _step(item: Any, key: str) -> Step:
    readers: dict[str, Callable[[Any, str], Step]] = {
        "command": _command,
        "verify": _verify,
        "message": _message,
        "visit": _visit,
    }
    if not isinstance(item, Mapping) or len(item) != 1:
        raise SourceError(
            f"{item!r} is not one step", key=key, cure=f"write one of {', '.join(readers)} with its value"
        )
    ((verb, value),) = item.items()
    _known(item, tuple(readers), key)
    return readers[verb](value, f"{key}.{verb}")


def _command(value: Any, key: str) -> CommandStep:
    spec = {"name": value} if isinstance(value, str) else _mapping(value, key, "restart, or {name: restart}")
    _known(spec, ("name", "args", "timeout"), key)
    name = spec.get("name")
    if not isinstance(name, str) or not name:
        raise SourceError("names no command", key=f"{key}.name", cure="write one of the product's commands")
    args = _mapping(spec.get("args", {}), f"{key}.args", "{} or {name: value}")
    return CommandStep(name, dict(args), _duration(spec, "timeout", 300.0, key=key))


def _verify(value: Any, key: str) -> VerifyStep:
    spec = {"for": value} if isinstance(value, str) else _mapping(value, key, "{for: 15m}")
    _known(spec, ("for",), key)
    if "for" not in spec:
        raise SourceError("does not say how long", key=f"{key}.for", cure="write for example {for: 15m}")
    return VerifyStep(_duration(spec, "for", 0.0, key=key))


def _message(value: Any, key: str) -> MessageStep:
    spec = {"to": value} if isinstance(value, str) else _mapping(value, key, "customer, or {to: customer, wait: 2h}")
    _known(spec, ("to", "wait"), key)
    if spec.get("to", "customer") != "customer":
        raise SourceError(f"{spec['to']!r} cannot be told here", key=key, cure="write message: customer")
    return MessageStep(_duration(spec, "wait", 0.0, key=key) if "wait" in spec else None)


def _visit(value: Any, key: str) -> VisitStep:
    spec = _mapping(value if value is not None else {}, key, "{skill: refrigerant}, or {} for the playbook's own skill")
    _known(spec, ("skill",), key)
    return VisitStep(_skill(spec, key))


def _visit_plan(value: Any, key: str) -> VisitPlan:
    spec = _mapping(value if value is not None else {}, key, "{skill: refrigerant, duration: 45m, after: 24h}")
    _known(spec, _VISIT_KEYS, key)
    default = VisitPlan()
    duration_s = _duration(spec, "duration", default.duration_s, key=key)
    if not 0 < duration_s <= 8 * 3600:
        raise SourceError("a visit takes some time, at most 8h", key=f"{key}.duration", cure="write e.g. 45m")
    return VisitPlan(
        skill=_skill(spec, key),
        duration_s=duration_s,
        after_s=_duration(spec, "after", default.after_s, key=key),
        answer_within_s=_duration(spec, "answer_within", default.answer_within_s, key=key),
    )


def _skill(spec: Mapping[str, Any], key: str) -> str | None:
    skill = spec.get("skill")
    if skill is not None and not (isinstance(skill, str) and skill):
        raise SourceError(f"{skill!r} is no skill", key=f"{key}.skill", cure="write text, or leave it out for anybody")
    return skill


def _duration(spec: Mapping[str, Any], name: str, default: float, *, key: str = "") -> float:
    if name not in spec:
        return default
    try:
        return parse_duration_s(spec[name])
    except ValueError as exc:
        problem, _, cure = str(exc).partition("; ")
        raise SourceError(problem, key=f"{key}.{name}" if key else name, cure=cure) from exc


def _words(value: Any, key: str) -> Mapping[str, str]:
    words = _mapping(value if value is not None else {}, key, "{en: …, fr: …}")
    if not all(isinstance(text, str) for text in words.values()):
        raise SourceError("holds something that is not text", key=key, cure="write {en: …, fr: …}")
    return dict(words)


def _mapping(value: Any, key: str, example: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SourceError(f"{value!r} does not fit here", key=key, cure=f"write for example {example}")
    return value


def _known(spec: Mapping[str, Any], known: tuple[str, ...], key: str) -> None:
    for name in spec:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            cure = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
            raise SourceError("unknown key", key=f"{key}.{name}" if key else str(name), cure=cure)
