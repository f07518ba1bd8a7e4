"""How many parts a text message is billed and carried in (3GPP TS 23.038), and which characters make it dear."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Two septets each."""

_LOOKALIKES = {
    **dict.fromkeys("\u00a0\u202f\u2009\u2007", " "),
    **dict.fromkeys("\u2019\u2018\u02bc", "'"),
    **dict.fromkeys("\u201c\u201d\u201e«»", '"'),
    **dict.fromkeys("\u2010\u2011\u2013\u2014\u2212", "-"),
    "\u2026": "...",
}
_PLAIN = str.maketrans(_LOOKALIKES)
_QUOTED = re.compile(r"«\s*([^«»]*?)\s*»")

# Words of this trade that leave GSM-7 and have a neighbour that stays. An accent is never dropped: another word is
# chosen, or, for î and û, the spelling of 1990, which has none.
_NEIGHBOURS = {
    "contrôle": "vérification",
    "contrôler": "vérifier",
    "contrôlez": "vérifiez",
    "arrêt": "coupure",
    "arrête": "coupe",
    "arrêtée": "coupée",
    "arrêté": "coupé",
    "arrêter": "couper",
    "arrêtez": "coupez",
    "bientôt": "sous peu",
    "peut-être": "sans doute",
    "prêt": "disponible",
    "prête": "disponible",
    "gêne": "souci",
    "reçu": "obtenu",
    "reçue": "obtenue",
    "reçues": "obtenues",
    "reçus": "obtenus",
    "ça": "cela",
    "façon": "manière",
    "sûr": "certain",
    "sûre": "certaine",
    "sûrement": "certainement",
    "août": "08",
    "dégât": "dommage",
    "dégâts": "dommages",
}


class Encoding(StrEnum):
    """How a text message travels."""

    GSM_7 = "gsm-7"
    UCS_2 = "ucs-2"


ROOM = {Encoding.GSM_7: 160, Encoding.UCS_2: 70}
"""What one part holds, where there is only one: septets, or UTF-16 units."""
ROOM_OF_SEVERAL = {Encoding.GSM_7: 153, Encoding.UCS_2: 67}


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text costs."""

    encoding: Encoding
    count: int


@dataclass(frozen=True, slots=True)
class Culprit:
    """A character outside GSM-7 in the word that holds it, and what would be right."""

    char: str
    word: str
    write: str
    """Another word; empty where we know none."""

    def __str__(self) -> str:
        where = f"{self.char} in {self.word}" if self.word != self.char else f"{self.char} (U+{ord(self.char):04X})"
        return f"{where}: {ROOM[Encoding.GSM_7]} → {ROOM[Encoding.UCS_2]}; " + (
            f"write {self.write}" if self.write else "choose another word"
        )


def plain(text: str) -> str:
    """Blanks, quotes and dashes that look alike, in the form that a text message carries cheaply."""
    return _QUOTED.sub(r'"\1"', text).translate(_PLAIN)


def foreign(text: str) -> str:
    """The characters of `text` outside GSM-7: any one of them cuts the segment from 160 to 70."""
    return "".join(sorted(set(text) - _BASIC - _EXTENSION))


def culprits(text: str) -> list[Culprit]:
    """Each word with a character outside GSM-7, in order, once."""
    found: dict[tuple[str, str], Culprit] = {}
    for match in re.finditer(r"[^ \n]+", text):
        for char in foreign(match[0]):
            word = _word_around(match[0], char)
            found.setdefault((char, word), Culprit(char, word, _instead(char, word)))
    return list(found.values())


def segments(text: str) -> Segments:
    """Parts of 160 septets, or 153 where there are several; in UCS-2 of 70, or 67. A character is never split."""
    encoding = Encoding.UCS_2 if foreign(text) else Encoding.GSM_7
    return Segments(encoding, _parts(_sizes(text, encoding), one=ROOM[encoding], many=ROOM_OF_SEVERAL[encoding]))


def units(text: str) -> int:
    """How much of its parts the text fills: septets, or UTF-16 units."""
    return sum(_sizes(text, segments(text).encoding))


def _sizes(text: str, encoding: Encoding) -> list[int]:
    if encoding is Encoding.UCS_2:
        return [len(char.encode("utf-16-be")) // 2 for char in text]
    return [2 if char in _EXTENSION else 1 for char in text]


def _parts(sizes: list[int], *, one: int, many: int) -> int:
    if sum(sizes) <= one:
        return 1
    parts, room = 1, many
    for size in sizes:
        if size > room:
            parts, room = parts + 1, many
        room -= size
    return parts


def _word_around(token: str, char: str) -> str:
    """`s'arrête.` holds `arrête`; a character that is no letter stands for itself."""
    if not char.isalpha():
        return char
    words = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", token)
    return next((word for word in words if char in word), char)


def _instead(char: str, word: str) -> str:
    if char in _LOOKALIKES:
        return _LOOKALIKES[char].strip() or "an ordinary blank"
    known = _NEIGHBOURS.get(word.casefold())
    if known and not foreign(known):
        return known[:1].upper() + known[1:] if word[:1].isupper() else known
    if char in "îûÎÛ":
        new = "".join(_bare(c) if c in "îûÎÛ" else c for c in word)
        return "" if foreign(new) else f"{new} (spelling of 1990)"
    return ""


def _bare(char: str) -> str:
    return unicodedata.normalize("NFD", char)[0]
