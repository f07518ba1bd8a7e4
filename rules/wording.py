"""How explanations say numbers, lengths of time and relations, in English and in French."""

from collections.abc import Mapping
from math import floor, log10

from domain.telemetry import Value

LANGUAGES = ("en", "fr")
NBSP = "\u00a0"
_TRUTH = {"en": ("false", "true"), "fr": ("faux", "vrai")}
_STEPS = ((86_400, "d", "j"), (3_600, "h", "h"), (60, "min", "min"), (1, "s", "s"))

RELATIONS: Mapping[str, Mapping[str, str]] = {
    "en": {
        ">": "above", ">=": "at or above", "<": "below", "<=": "at or below", "=": "equal to", "<>": "other than",
    },
    "fr": {
        ">": "au-dessus de", ">=": "égal ou supérieur à", "<": "au-dessous de", "<=": "égal ou inférieur à",
        "=": "égal à", "<>": "autre que",
    },
}  # fmt: skip
"""What stands between a value and what it was compared with."""

LENGTHS: Mapping[str, Mapping[str, str]] = {
    "en": {**RELATIONS["en"], ">": "longer than", ">=": "at least", "<": "shorter than", "<=": "at most"},
    "fr": {**RELATIONS["fr"], ">": "soit plus que", ">=": "soit au moins", "<": "soit moins que", "<=": "soit au plus"},
}
"""The same of lengths of time."""


def number(value: float, language: str, *, beside: float | None = None) -> str:
    """Few digits, but as many as it takes to tell it from the number `beside` it."""
    for digits in (4, 6, 9, 15):
        text = _rounded(value, digits)
        if beside is None or beside == value or text != _rounded(beside, digits):
            break
    return text.replace(".", ",") if language == "fr" else text


def shown(value: Value | None, unit: str, language: str, *, beside: Value | None = None) -> str:
    """A value with its unit."""
    if value is None:
        return {"en": "no value", "fr": "sans valeur"}[language]
    if isinstance(value, bool):
        return _TRUTH[language][value]
    if isinstance(value, str):
        return f"“{value}”" if language == "en" else f"«{NBSP}{value}{NBSP}»"
    other = beside if isinstance(beside, int | float) and not isinstance(beside, bool) else None
    text = number(value, language, beside=other)
    return f"{text}{NBSP}{unit}" if unit else text


def length(seconds: float, language: str) -> str:
    """The two largest parts of a length of time: 5 min 10 s, 2 h, 3 d 4 h, 0.4 s."""
    if abs(seconds) < 60:
        return f"{number(seconds, language)}{NBSP}s"
    rest, parts = round(abs(seconds)), list[str]()
    for size, english, french in _STEPS:
        many, rest = divmod(rest, size)
        if many:
            parts.append(f"{many}{NBSP}{french if language == 'fr' else english}")
        elif parts:
            break
    return ("-" if seconds < 0 else "") + " ".join(parts[:2])


def _rounded(value: float, digits: int) -> str:
    if value == 0 or not 1e-6 <= abs(value) < 1e15:
        return f"{value:g}" if digits < 15 else repr(value)
    decimals = max(0, digits - 1 - floor(log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
