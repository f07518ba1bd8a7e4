"""How many parts a text message is billed and carried in (3GPP TS 23.038)."""

from dataclasses import dataclass
from enum import StrEnum

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Two septets each."""


class Encoding(StrEnum):
    """How a text message travels."""

    GSM_7 = "gsm-7"
    UCS_2 = "ucs-2"


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text costs."""

    encoding: Encoding
    count: int


def foreign(text: str) -> str:
    """The characters of `text` outside GSM-7: any one of them cuts the segment from 160 to 70."""
    return "".join(sorted(set(text) - _BASIC - _EXTENSION))


def segments(text: str) -> Segments:
    """Parts of 160 septets, or 153 where there are several; in UCS-2 of 70, or 67. A character is never split."""
    if foreign(text):
        return Segments(Encoding.UCS_2, _parts([len(char.encode("utf-16-be")) // 2 for char in text], one=70, many=67))
    return Segments(Encoding.GSM_7, _parts([2 if char in _EXTENSION else 1 for char in text], one=160, many=153))


def _parts(sizes: list[int], *, one: int, many: int) -> int:
    if sum(sizes) <= one:
        return 1
    parts, room = 1, many
    for size in sizes:
        if size > room:
            parts, room = parts + 1, many
        room -= size
    return parts
