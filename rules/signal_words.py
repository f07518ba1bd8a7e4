"""What a signal said, in words, by its op: the part of an explanation that names a derived value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rules.model import PER_MS, Signal
from rules.wording import length, number, shown

SPANS = frozenset({"silence", "since", "held", "time_to"})
"""Ops whose value is a length of time, in seconds."""
SIGNED = frozenset({"slope", "delta"})
"""Ops whose words say already which side of 0 the value is on."""
_DEVIATIONS = frozenset({"zscore", "baseline"})
_PLAIN = frozenset({"mean", "min", "max", "sum", "median", "stddev", "ewma"})
_PER = {
    "en": {1_000: "s", 60_000: "min", 3_600_000: "hour", 86_400_000: "day"},
    "fr": {1_000: "s", 60_000: "min", 3_600_000: "heure", 86_400_000: "jour"},
}
_STATISTIC = {
    "en": {
        "mean": "the mean of {of}", "min": "the lowest {of}", "max": "the highest {of}", "sum": "the sum of {of}",
        "median": "the median of {of}", "stddev": "the standard deviation of {of}",
        "count": "the number of readings of {of}",
    },
    "fr": {
        "mean": "moyenne de {of}", "min": "minimum de {of}", "max": "maximum de {of}", "sum": "somme de {of}",
        "median": "médiane de {of}", "stddev": "écart type de {of}", "count": "nombre de mesures de {of}",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """What is needed to speak of a signal."""

    signal: Signal
    value: float
    of: str
    """What its metric is called; empty where it has none."""
    unit: str
    """The metric's."""


def unit_of(signal: Signal, unit: str, language: str) -> str:
    """The unit of the signal's own value, and so of what it is compared with."""
    if signal.op == "slope":
        return f"{unit} {per(signal, language)}".strip()
    return unit if signal.op in _PLAIN or signal.op in {"delta", "usage"} else "m" if signal.op == "distance" else ""


def per(signal: Signal, language: str) -> str:
    """`per hour`; `par heure`."""
    ms = signal.per_ms or PER_MS
    word = {"en": "per", "fr": "par"}[language]
    return f"{word} {_PER[language].get(ms) or length(ms / 1000, language)}"


def describe(said: Said, language: str) -> str:
    """The signal and its value, as the beginning of a sentence."""
    speak = (_FRENCH if language == "fr" else _ENGLISH).get(said.signal.op)
    words = speak(said) if speak else _statistic(said, language)
    return f"{words} ({said.signal.name})"


def _window(signal: Signal, language: str) -> str:
    if signal.over_ms is None:
        return ""
    span = length(signal.over_ms / 1000, language)
    return f" over the last {span}" if language == "en" else f" sur {span}"


def _statistic(said: Said, language: str) -> str:
    signal = said.signal
    if signal.op == "ewma" and signal.half_life_ms is not None:
        half = length(signal.half_life_ms / 1000, language)
        name = {
            "en": "the running mean of {of} (half-life {half})",
            "fr": "moyenne glissante de {of} (demi-vie {half})",
        }
        head = name[language].format(of=said.of, half=half)
    else:
        head = _STATISTIC[language].get(signal.op, signal.op + " of {of}").format(of=said.of)
    value = shown(said.value, unit_of(signal, said.unit, language), language)
    joint = " was " if language == "en" else "\u00a0: "
    return f"{head}{_window(signal, language)}{joint}{value}"


def _change(said: Said, language: str, words: tuple[str, str, str]) -> str:
    """Fell by, rose by, or stayed."""
    fell, rose, stayed = words
    unit = unit_of(said.signal, said.unit, language)
    if said.value == 0:
        return f"{said.of} {stayed}{_window(said.signal, language)}"
    by = shown(abs(said.value), unit, language)
    return f"{said.of} {fell if said.value < 0 else rose} {by}{_window(said.signal, language)}"


def _deviation(said: Said, language: str) -> str:
    high = said.value >= 0
    size = number(abs(said.value), language)
    usual = said.signal.op == "baseline"
    if language == "fr":
        where = "au-dessus" if high else "au-dessous"
        what = "de ce que cet appareil montre à cette heure de la semaine" if usual else "de sa médiane"
        return f"{said.of}\u00a0: {size} écarts types {where} {what}{_window(said.signal, language)}"
    where = "above" if high else "below"
    what = "what this device shows at this hour of the week" if usual else "its median"
    return f"{said.of} was {size} standard deviations {where} {what}{_window(said.signal, language)}"


def _time_to(said: Said, language: str) -> str:
    threshold = said.signal.options.get("threshold")
    at = shown(threshold, said.unit, language) if isinstance(threshold, int | float) else str(threshold)
    if language == "fr":
        reach = "y est déjà" if said.value == 0 else f"y sera dans {length(said.value, language)}"
        return f"à cette allure, {said.of} va vers {at} et {reach}"
    when = "is already there" if said.value == 0 else f"reaches it in {length(said.value, language)}"
    return f"{said.of} is heading for {at} and at this pace {when}"


def _score(said: Said, language: str) -> str:
    size = number(said.value, language)
    if language == "fr":
        return f"{said.of}\u00a0: score d'anomalie {size} sur une échelle de 0 à 1"
    return f"the anomaly score of {said.of} was {size} on a scale from 0 to 1"


def _peers(said: Said, language: str) -> str:
    by = said.signal.options.get("by") or []
    same = ", ".join(map(str, [by] if isinstance(by, str) else by))
    percentile = said.signal.options.get("stat") == "percentile"
    size = number(said.value if percentile else abs(said.value), language)
    if language == "fr":
        group = f"appareils comparables ({same})" if same else "appareils comparables"
        if percentile:
            return f"{said.of}\u00a0: percentile {size} parmi les {group}"
        where = "au-dessus" if said.value >= 0 else "au-dessous"
        return f"{said.of}\u00a0: {size} écarts types {where} des {group}"
    group = f"comparable devices (same {same})" if same else "comparable devices"
    if percentile:
        return f"{said.of} was at percentile {size} of {group}"
    return f"{said.of} was {size} standard deviations {'above' if said.value >= 0 else 'below'} {group}"


def _english() -> Mapping[str, Callable[[Said], str]]:
    return {
        "slope": lambda s: _change(s, "en", ("fell by", "rose by", "did not change")),
        "delta": lambda s: _change(s, "en", ("fell by", "rose by", "did not change")),
        "silence": lambda s: f"{s.of or 'the device'} had sent nothing for {length(s.value, 'en')}",
        "since": lambda s: (
            f"`{s.signal.expr}` was true"
            if s.value == 0
            else f"`{s.signal.expr}` was last true {length(s.value, 'en')} before"
        ),
        "held": lambda s: f"`{s.signal.expr}` had been true for {length(s.value, 'en')}",
        "times": lambda s: f"`{s.signal.expr}` became true {number(s.value, 'en')} times{_window(s.signal, 'en')}",
        "time_to": lambda s: _time_to(s, "en"),
        "anomaly": lambda s: _score(s, "en"),
        "peers": lambda s: _peers(s, "en"),
        "usage": lambda s: f"{s.of} had grown by {shown(s.value, s.unit, 'en')} since the last service",
        "distance": lambda s: f"the device was {number(s.value, 'en')}\u00a0m from {_place(s, 'its site')}",
        **dict.fromkeys(_DEVIATIONS, lambda s: _deviation(s, "en")),
    }


def _french() -> Mapping[str, Callable[[Said], str]]:
    return {
        "slope": lambda s: _change(s, "fr", ("en baisse de", "en hausse de", "sans changement")),
        "delta": lambda s: _change(s, "fr", ("en baisse de", "en hausse de", "sans changement")),
        "silence": lambda s: f"{s.of or 'appareil'}\u00a0: aucun envoi depuis {length(s.value, 'fr')}",
        "since": lambda s: (
            f"`{s.signal.expr}` était vrai"
            if s.value == 0
            else f"`{s.signal.expr}` vrai pour la dernière fois {length(s.value, 'fr')} avant"
        ),
        "held": lambda s: f"`{s.signal.expr}` était vrai depuis {length(s.value, 'fr')}",
        "times": lambda s: f"`{s.signal.expr}` devenu vrai {number(s.value, 'fr')} fois{_window(s.signal, 'fr')}",
        "time_to": lambda s: _time_to(s, "fr"),
        "anomaly": lambda s: _score(s, "fr"),
        "peers": lambda s: _peers(s, "fr"),
        "usage": lambda s: f"{s.of}\u00a0: {shown(s.value, s.unit, 'fr')} de plus depuis le dernier entretien",
        "distance": lambda s: f"appareil à {number(s.value, 'fr')}\u00a0m de {_place(s, 'son site')}",
        **dict.fromkeys(_DEVIATIONS, lambda s: _deviation(s, "fr")),
    }


def _place(said: Said, site: str) -> str:
    to = said.signal.options.get("to")
    return ", ".join(map(str, to)) if isinstance(to, list | tuple) else site


_ENGLISH, _FRENCH = _english(), _french()
