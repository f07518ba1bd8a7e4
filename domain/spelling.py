"""The known word that somebody probably meant: every error about a name offers it."""

from collections.abc import Sequence
from difflib import SequenceMatcher, get_close_matches


def suggest(word: str, known: Sequence[str]) -> str:
    """`did you mean x?`, or nothing where no known word is near. Of words that differ in case alone, the first."""
    folded = {other.casefold(): other for other in reversed(known)}
    sought = word.casefold()
    for near in get_close_matches(sought, list(folded), n=3, cutoff=0.6):
        alike = near[0] == sought[:1] or sorted(near) == sorted(sought)
        if alike or SequenceMatcher(None, near, sought).ratio() >= 0.8:
            return f"did you mean {folded[near]}?"
    return ""
