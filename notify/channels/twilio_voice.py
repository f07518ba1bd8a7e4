"""Calls by Twilio: the message is said aloud, twice, and a key answers it; `api.calls` takes what is pressed."""

from urllib.parse import urlencode

from domain.messages import Channel
from domain.outbox import Content, Pending, Receipt
from notify.channels.twilio_client import LOOK_UP_AFTER_S, PROVIDER, RETRIED, TIMEOUT_S, TwilioAccount, TwilioClient
from notify.channels.twilio_twiml import announcement, script

RING_S = 30
"""So long it rings; most answering machines have come on by then."""
LONGEST = 4000
"""Characters of TwiML that may travel with a call."""


def keys_to(hook: str, *, reference: str = "") -> str:
    """Where pressed keys are posted; with the message's name in it once it is a call of ours."""
    return f"{hook}?{urlencode({'message': reference})}{RETRIED}" if reference else f"{hook}{RETRIED}"


def _said(content: Content, action: str) -> str:
    """Twice, or once where Twilio would not take so much."""
    said = script(content.text)
    twice = announcement(said, language=content.language, action=action)
    if len(twice) <= LONGEST:
        return twice
    return announcement(said, language=content.language, action=action, times=1)


class TwilioVoice:
    """The voice channel. `content.text` is a script: see `twilio_twiml.script`."""

    channel = Channel.VOICE
    provider = PROVIDER
    look_up_after_s = LOOK_UP_AFTER_S
    authoritative = True
    repeatable = False

    def __init__(
        self,
        account: TwilioAccount,
        *,
        hook: str = "",
        status_callback: str = "",
        machine_detection: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`hook`: our public address for what is pressed; without one nothing is asked.

        With `machine_detection` the first words are fetched from there too, once it is known who answered: a machine
        is left a short message. Without it they travel with the call, and need no server of ours.
        """
        self._twilio = TwilioClient(account, status_callback=status_callback, timeout_s=timeout_s)
        self._hook, self._detects = hook, machine_detection and bool(hook)
        # A line apart from text messages of the same number: where those are barred, a call may still get through.
        self.sender = f"tel:{account.sender}"
        self.patience_s, self.close = self._twilio.patience_s, self._twilio.close

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        action = keys_to(self._hook, reference=reference) if self._hook else ""
        if self._detects:
            # Waits for the end of the machine's greeting: what is said before the tone is lost.
            words = {"url": action, "machine_detection": "DetectMessageEnd"}
        else:
            words = {"twiml": _said(content, action)}
        return self._twilio.call(address, reference=reference, timeout=RING_S, **words)

    def look_up(self, pending: Pending) -> Receipt | None:
        return self._twilio.called(pending.address, pending)
