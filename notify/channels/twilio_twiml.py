"""What a person hears on the telephone, as TwiML (https://www.twilio.com/docs/voice/twiml). Pure.

The words come from templates: a script has up to three paragraphs, the message, its menu, and the farewell.
"""

from typing import Any, NamedTuple

from twilio.twiml.voice_response import VoiceResponse

TWIML = "application/xml"
KEY_WITHIN_S = 6
RING_S = 25
"""How long a person at our desk has to lift the receiver."""

_VOICES = {
    "en": {"voice": "Polly.Amy", "language": "en-GB"},
    "fr": {"voice": "Polly.Celine", "language": "fr-FR"},
}


class Script(NamedTuple):
    """What is said in one call. Without a menu nothing is asked."""

    message: str
    menu: str = ""
    farewell: str = ""


def script(text: str) -> Script:
    """The paragraphs of `text`; what comes after the third is part of the farewell."""
    message, _, rest = text.partition("\n\n")
    menu, _, farewell = rest.partition("\n\n")
    return Script(message, menu, farewell)


def announcement(spoken: Script, *, language: str, action: str, times: int = 2) -> str:
    """The message and its menu, said `times` times for who was not listening; silence ends the call politely.

    A key pressed at any moment is posted to `action`. Without an `action` nothing is asked.
    """
    response = _response()
    for _ in range(times):
        if action and spoken.menu:
            gather = response.gather(input="dtmf", num_digits=1, timeout=KEY_WITHIN_S, action=action, method="POST")
            _say(gather, spoken.message, spoken.menu, language=language)
        else:
            _say(response, spoken.message, language=language)
            response.pause(length=1)
    _say(response, spoken.farewell, language=language)
    return str(response)


def saying(*lines: str, language: str) -> str:
    """Say `lines` and hang up."""
    response = _response()
    _say(response, *lines, language=language)
    response.hangup()
    return str(response)


def connecting(line: str, number: str, *, language: str, action: str) -> str:
    """Put the caller through to `number`; how that went is posted to `action`."""
    response = _response()
    _say(response, line, language=language)
    response.dial(number, action=action, timeout=RING_S)
    return str(response)


def _response() -> Any:
    make: Any = VoiceResponse  # without types in the SDK
    return make()


def _say(verb: Any, *lines: str, language: str) -> None:
    for line in filter(None, lines):
        verb.say(line, **_VOICES.get(language, _VOICES["en"]))
