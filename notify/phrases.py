"""From what people type to bare words: accents, alphabets, zero-width marks, quoted mail and pleasantries set aside.

Pure. Everything that understands an answer looks at these words.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

Words = tuple[str, ...]

_OTHER_THAN_LETTERS = re.compile(r"[^a-z0-9]+")
_SENTENCE_ENDS = re.compile(r"[.!?;,:\n…]+")

# What looks like a Latin letter and is not: somebody's keyboard, or somebody's joke; it is read as it looks.
_LOOKALIKES = str.maketrans(
    "АВЕЅЗКМНОРСТХУІЈаеѕокрсухіјтпΑΒΕΖΗΙΚΜΝΟΡΤΥΧαορτυ",
    "ABES3KMHOPCTXYIJaesokpcyxijtnABEZHIKMNOPTYXaoptu",
)
_SIGNS = (
    (("👍", "👌", "✅", "🆗", "✔"), " ok "),
    (("🙏",), " merci "),
    (("🛑",), " stop "),
    (("👎", "❌"), " no "),
)
_UNSEEN = frozenset({"Mn", "Me", "Cf"})
"""Accents, frames such as that of a keycap, and what has no width."""
_QUOTED = re.compile(
    r"^(>|-- ?$|_{5,}|-{3,}|on .{5,200} wrote ?:|le .{5,200} a écrit ?:|(from|de|von) ?: .*@|sent from my |"
    r"envoyé (de|depuis) mon |get outlook for |télécharger outlook )",
    re.IGNORECASE,
)


def own_lines(text: str) -> str:
    """Their own words: without the mail that they quote, the signature below `-- `, and a phone's advertisement."""
    kept: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        if _QUOTED.match(bare):
            # Answers between quoted lines are left to a person: nothing after the first quotation is read.
            break
        kept.append(line)
    return "\n".join(kept)


def words(text: str) -> Words:
    """Lower-case words without accents or punctuation: `C'est réparé !` is c, est, repare."""
    bare = _plain(text)
    found = tuple(_OTHER_THAN_LETTERS.sub(" ", bare).split())
    # S T O P, or S.T.O.P.
    if len(found) > 2 and all(len(word) == 1 and word.isalpha() for word in found):
        return ("".join(found),)
    return found


def sentences(text: str) -> list[Words]:
    """The words of each sentence, or part of one between commas."""
    return [found for part in _SENTENCE_ENDS.split(_plain(text)) if (found := words(part))]


def squeezed(word: str) -> str:
    """Each letter once in a row: `stooopp` is stop."""
    return re.sub(r"(.)\1+", r"\1", word)


def without(found: Words, phrases: Iterable[Words]) -> Words:
    """`found` without these phrases, wherever they stand."""
    for phrase in sorted(phrases, key=len, reverse=True):
        found = _replaced(found, phrase, ())
    return found


def replaced(found: Words, phrases: Iterable[Words], by: Words) -> Words:
    """`found` with `by` in the place of each of these phrases."""
    for phrase in sorted(phrases, key=len, reverse=True):
        found = _replaced(found, phrase, by)
    return found


def holds(found: Words, phrase: Words) -> bool:
    """Whether `phrase` stands in `found`, in one piece."""
    return bool(phrase) and f" {' '.join(phrase)} " in f" {' '.join(found)} "


def _replaced(found: Words, phrase: Sequence[str], by: Words) -> Words:
    size, at, result = len(phrase), 0, list[str]()
    while at < len(found):
        if size and found[at : at + size] == tuple(phrase):
            result += by
            at += size
        else:
            result.append(found[at])
            at += 1
    return tuple(result)


def _plain(text: str) -> str:
    for signs, meaning in _SIGNS:
        for sign in signs:
            text = text.replace(sign, meaning)
    # Compatibility forms first (full-width letters), then accents apart from their letters.
    apart = unicodedata.normalize("NFKD", text)
    seen = (char for char in apart if unicodedata.category(char) not in _UNSEEN)
    return "".join(seen).translate(_LOOKALIKES).casefold()


_POLITE = """
    option, please, pls, plz, thanks a lot, thanks, thx, thank you very much, thank you so much, thank you, hello, hi,
    hey, dear, good morning, good evening, good afternoon, kind regards, best regards, warm regards, regards,
    best wishes, bonjour, bonsoir, salut, coucou, merci beaucoup, merci bien, merci d'avance, merci, svp, stp,
    s'il vous plaît, s'il te plaît, cordialement, bien cordialement, bien à vous, bonne journée, bonne soirée,
    bonne réception, madame, monsieur, ok, okay, d'accord, oui, yes, yep
"""
COURTESIES = tuple(words(phrase) for phrase in _POLITE.split(","))
"""What may stand around an answer without changing it."""
