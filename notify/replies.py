"""What a person's answer means. Pure; what is not plainly one of the known answers goes to a person."""

import re
import unicodedata

from domain.messages import ReplyIntent

_LETTERS_AND_DIGITS = re.compile(r"[^a-z0-9]+")


def _words(text: str) -> tuple[str, ...]:
    """Lower-case words without accents or punctuation: `C'est réparé !` is c, est, repare."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(char for char in plain if not unicodedata.combining(char))
    return tuple(_LETTERS_AND_DIGITS.sub(" ", bare).split())


_DIGITS = {"1": ReplyIntent.FIXED, "2": ReplyIntent.SEND_SOMEONE, "3": ReplyIntent.CALL_ME}

_STOP_WORDS = frozenset(
    _words(
        "stop stopall unsubscribe cancel end quit revoke optout arret arreter stopper desabonner desabonnement "
        "desinscrire desinscription resilier arretez stoppez"
    )
)
_STOP_PHRASES = (
    "opt out",
    "opt me out",
    "opt-out",
    "leave me alone",
    "do not text",
    "don't text",
    "do not write",
    "don't write",
    "do not contact",
    "don't contact",
    "no more messages",
    "no more texts",
    "plus recevoir",
    "ne m'écrivez plus",
    "ne m'envoyez plus",
    "ne me contactez plus",
    "plus de messages",
    "plus de sms",
    "fin des sms",
)
# "We want it to stop": a fault that should stop is no wish to be left alone.
_STOP_COMPANY = frozenset(
    _words(
        "please pls now all it this these messages message texts text sms emails mails mail me thanks thank you "
        "s il vous plait svp merci moi tout tous les ces cela ca de des d envoi envois envoyer l m fin"
    )
)
_START_WORDS = frozenset(_words("start unstop reprendre"))

_PHRASES = {
    ReplyIntent.FIXED: (
        "fixed",
        "it is fixed",
        "it's fixed",
        "its fixed",
        "fixed already",
        "already fixed",
        "fixed it",
        "i fixed it",
        "all good",
        "all fine",
        "it works",
        "it works again",
        "works again",
        "working again",
        "it is working again",
        "solved",
        "resolved",
        "réparé",
        "réglé",
        "c'est réparé",
        "c'est réglé",
        "déjà réparé",
        "déjà réglé",
        "c'est bon",
        "tout va bien",
        "ça marche",
        "ça remarche",
        "résolu",
        "c'est résolu",
    ),
    ReplyIntent.SEND_SOMEONE: (
        "send someone",
        "send somebody",
        "send a technician",
        "please send someone",
        "technician",
        "visit",
        "envoyez quelqu'un",
        "envoyer quelqu'un",
        "un technicien",
        "technicien",
        "envoyez un technicien",
        "envoyez-moi quelqu'un",
        "envoyez-moi un technicien",
        "intervention",
    ),
    ReplyIntent.FALSE_ALARM: (
        "false alarm",
        "it was a false alarm",
        "it is a false alarm",
        "this is a false alarm",
        "that was a false alarm",
        "just a false alarm",
        "everything is fine here it was a false alarm",
        "all fine here false alarm",
        "nothing is wrong",
        "nothing wrong",
        "nothing wrong here",
        "there is nothing wrong",
        "there was nothing wrong",
        "there is no problem",
        "no fault",
        "fausse alerte",
        "fausse alarme",
        "c'était une fausse alerte",
        "c'était une fausse alarme",
        "c'est une fausse alerte",
        "tout va bien ici c'était une fausse alerte",
        "tout va bien c'était une fausse alerte",
        "rien d'anormal",
        "rien d'anormal ici",
        "il n'y a rien",
        "il n'y a rien d'anormal",
        "il n'y a pas de problème",
        "il n'y avait pas de problème",
    ),
    ReplyIntent.CALL_ME: (
        "call",
        "call me",
        "call me back",
        "please call",
        "please call me",
        "phone me",
        "ring me",
        "appelez-moi",
        "rappelez-moi",
        "rappeler",
        "me rappeler",
        "rappel",
        "merci de me rappeler",
        "merci de m'appeler",
    ),
}

_POLITE = frozenset(
    _words("option please pls thanks thank you hello hi bonjour salut merci svp s il vous plait ok oui yes")
)


def understand(text: str, *, language: str = "en") -> ReplyIntent:  # noqa: ARG001
    """The intent of an answer in any language we speak: people answer in theirs, whatever we wrote in.

    A wish to be left alone wins over everything else in the same answer.
    """
    words = _words(text)
    if not words:
        return ReplyIntent.UNCLEAR
    if _wants_stop(words):
        return ReplyIntent.STOP
    said = _to_the_point(words)
    if len(said) == 1 and said[0] in _START_WORDS:
        return ReplyIntent.START
    if said and said[0] in _DIGITS:
        return _by_digit(_DIGITS[said[0]], said[1:])
    return _INTENT_OF.get(said, ReplyIntent.UNCLEAR)


def _to_the_point(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in _POLITE)


def _by_digit(intent: ReplyIntent, rest: tuple[str, ...]) -> ReplyIntent:
    """`2` and `2 = send someone` are plain; `2 days ago` and `1 or 2` are not."""
    return intent if not rest or _INTENT_OF.get(rest) is intent else ReplyIntent.UNCLEAR


def _wants_stop(words: tuple[str, ...]) -> bool:
    line = f" {' '.join(words)} "
    if any(f" {phrase} " in line for phrase in _STOP_LINES):
        return True
    return any(word in _STOP_WORDS for word in words) and all(
        word in _STOP_WORDS or word in _STOP_COMPANY for word in words
    )


_STOP_LINES = tuple(" ".join(_words(phrase)) for phrase in _STOP_PHRASES)
_INTENT_OF = {_to_the_point(_words(phrase)): intent for intent, phrases in _PHRASES.items() for phrase in phrases}
