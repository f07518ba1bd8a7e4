"""Whether somebody asks to be left alone, or to hear from us again. Pure.

"Any reasonable means" counts (TCPA, 47 CFR 64.1200(a)(10)): the keywords, with courtesies, with a letter too often or
in another alphabet, and plain sentences that name our messages. One in which something else is to stop does not.
"""

import re
from collections.abc import Sequence

from notify.phrases import Words, sentences, squeezed, without, words
from notify.vocabulary import LEAVE_ME_ALONE, pattern

CARRIER_KEYWORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "arret"})
"""Twilio confirms these by itself where they are the whole text: https://help.twilio.com/articles/223134027."""

_STOP = frozenset(
    squeezed(word)
    for word in words(
        "stop stopall unsubscribe cancel end quit revoke optout arret arreter stopper desabonner desabonnement "
        "desinscrire desinscription resilier arretez stoppez desabonnez desinscrivez unsuscribe unsubcribe"
    )
)
# "We want it to stop": a fault that should stop is no wish to be left alone.
_COMPANY = frozenset(
    words(
        "please pls plz now all it this these your messages message texts text sms emails mails mail me us thanks "
        "thank you s il vous plait svp merci moi nous tout tous les ces cela ca de d envoi envoyer l fin"
    )
)
_BEFORE = (
    r"(?:just|kindly|and|et|now|maintenant|de|veuillez|i said|"
    r"(?:can|could|will|would) you|i (?:want|wish|would like|d like|need)(?: you)? to|"
    r"(?:je (?:veux|voudrais|souhaite|demande a)|pouvez vous|pourriez vous|vous pouvez|j aimerais)) "
)
_AFTER = (
    r" (?:now|again|anymore|any more|ever|ever again|at all|from you|immediately|at once|"
    r"maintenant|du tout|jamais|immediatement|desormais|de votre part|to this number|a ce numero)"
)
_EXPLICIT = re.compile(rf"(?:{_BEFORE})*(?:{pattern(LEAVE_ME_ALONE).pattern})(?:{_AFTER})*")
MOST_WORDS = 25
"""Of a sentence that is looked at: a longer one is for a person."""
_START = frozenset(words("start unstop reprendre"))


def wants_stop(text: str, *, idle: Sequence[Words] = ()) -> bool:
    """Whether the whole text, or one plain sentence of it, says so. `idle` adds nothing, as a courtesy or a name."""
    whole = without(words(text), idle)
    if _is_keyword(whole):
        return True
    parts = (*(without(part, idle) for part in sentences(text)), whole)
    return any(len(part) <= MOST_WORDS and _EXPLICIT.fullmatch(" ".join(part)) for part in parts)


def wants_start(said: Words) -> bool:
    """Whether these words, without courtesies, ask for our messages again."""
    return len(said) == 1 and said[0] in _START


def confirmed_by_carrier(text: str) -> bool:
    """Whether Twilio itself answers this text, unless it was told not to: ours would be one confirmation too many."""
    return text.strip().lower().strip(".!\"'") in CARRIER_KEYWORDS | {"start", "unstop", "help", "info", "stop all"}


def _is_keyword(found: Words) -> bool:
    kinds = [squeezed(word) in _STOP for word in found]
    return any(kinds) and all(kind or word in _COMPANY for kind, word in zip(kinds, found, strict=True))
