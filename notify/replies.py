"""What a person's answer means. Pure; what is not plainly one of the known answers goes to a person.

A whole answer has to fit: "send someone" is plain, "don't send someone" and "send someone on Tuesday" are not, for a
wrong guess would cost a journey, or leave somebody waiting for nobody.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from domain.messages import MessageStage, ReplyIntent
from notify.absences import away_until
from notify.opting_out import wants_start, wants_stop
from notify.phrases import COURTESIES, Words, holds, own_lines, replaced, without, words
from notify.questions import choices_of
from notify.vocabulary import ANSWERS

_YES = frozenset({"yes", "yep", "yeah", "oui", "ok", "okay"})
_NO = frozenset({("no",), ("nope",), ("non",), ("no", "thanks"), ("no", "thank", "you"), ("non", "merci")})
_THANKS = tuple(words(one) for one in ("ok", "okay", "thanks", "thx", "thank you", "merci", "d'accord"))

_NOT_BY_A_QUESTION = frozenset({ReplyIntent.FIXED, ReplyIntent.FALSE_ALARM, ReplyIntent.ACKNOWLEDGED})
"""What a question mark turns into a question: "fixed?" asks."""
_ARTICLES = ("the", "my", "our", "your", "this", "la", "le", "l", "ma", "mon", "notre", "votre", "cette", "ce", "cet")
MOST_WORDS = 25
"""A plain answer is short; a longer one is for a person, whatever stands in it."""


def understand(
    text: str,
    *,
    language: str = "en",
    asked: MessageStage | None = None,
    nouns: Collection[str] = (),
    name: str = "",
    today: date | None = None,
) -> ReplyIntent:
    """The intent of an answer in any language we speak: people answer in theirs, whatever we wrote in.

    `asked` is the last message on their thread that offered digits; `nouns` are what their products are called, `name`
    is what they may sign with, `today` theirs: without it nobody can be away until Friday. A wish to be left alone wins
    over everything else in the same answer.
    """
    own = own_lines(text)
    idle = (*COURTESIES, *((word,) for word in words(name)))
    if wants_stop(own, idle=idle):
        return ReplyIntent.STOP
    found = words(own)
    said = without(found, idle)
    is_question = "?" in own or "？" in own
    if wants_start(said):
        return ReplyIntent.START
    if not said:
        return ReplyIntent.UNCLEAR if is_question else _courtesy(found, asked)
    if len(said) > MOST_WORDS:
        return ReplyIntent.UNCLEAR
    intent = _chosen(said, asked) or _named(said) or _named_of(said, nouns)
    if intent is None and today is not None and away_until(own, language=language, today=today):
        intent = ReplyIntent.AWAY
    if intent is None or (is_question and (intent in _NOT_BY_A_QUESTION or said[0].isdigit())):
        return ReplyIntent.UNCLEAR
    return intent


def meant(text: str, nouns: Sequence[str]) -> list[int]:
    """Which of these things, by their places, the answer names: "the boiler is fine now"."""
    found = words(own_lines(text))
    return [place for place, noun in enumerate(nouns) if holds(found, words(noun))]


def picked(text: str, choices: Sequence[Mapping[str, str]]) -> int | None:
    """Which of the offered things an answer picks, by its digit or by its name in any language."""
    said = without(words(own_lines(text)), COURTESIES)
    if len(said) == 1 and said[0].isdigit():
        return int(said[0]) - 1 if 0 < int(said[0]) <= len(choices) else None
    named = [(place, name) for place, names in enumerate(choices) for name in names.values()]
    places = {named[one][0] for one in meant(text, [name for _, name in named])}
    return places.pop() if len(places) == 1 else None


def _courtesy(found: Words, asked: MessageStage | None) -> ReplyIntent:
    """Nothing but courtesies: thanks, or a yes to what can be answered so."""
    agreed = choices_of(asked).get("yes") if any(word in _YES for word in found) else None
    if agreed is not None:
        return agreed
    return ReplyIntent.ACKNOWLEDGED if any(holds(found, one) for one in _THANKS) else ReplyIntent.UNCLEAR


def _chosen(said: Words, asked: MessageStage | None) -> ReplyIntent | None:
    """`2` and `2 = send someone` are plain; `2 days ago` and `1 or 2` are not."""
    choices = choices_of(asked)
    if said in _NO:
        return choices.get("no", ReplyIntent.UNCLEAR)
    if not said[0].isdigit():
        return None
    intent = choices.get(said[0])
    fits = intent is not None and (len(said) == 1 or _named(said[1:]) is intent)
    return intent if fits else ReplyIntent.UNCLEAR


def _named(said: Words) -> ReplyIntent | None:
    line = " ".join(said)
    return next((intent for intent, pattern in ANSWERS.items() if pattern.fullmatch(line)), None)


def _named_of(said: Words, nouns: Collection[str]) -> ReplyIntent | None:
    """The same with `it` for their product: "my heat pump is fixed", "not my heat pump"."""
    things = [words(noun) for noun in nouns if words(noun)]
    whole = [(article, *thing) for thing in things for article in _ARTICLES]
    return _named(replaced(said, things, ("it",))) or _named(replaced(said, [*whole, *things], ("it",)))
