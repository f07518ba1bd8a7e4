"""WhatsApp by Twilio: free text for a day after the person last wrote to us there, an approved template after that."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from domain.clock import Clock
from domain.errors import ConfigError, DeliveryError
from domain.messages import Channel, Refusal, Retry
from domain.outbox import Content, Pending, Receipt
from notify.channels.twilio_client import LOOK_UP_AFTER_S, PROVIDER, TIMEOUT_S, TwilioAccount, TwilioClient

WINDOW = timedelta(hours=24)
"""https://www.twilio.com/docs/whatsapp/key-concepts#the-customer-service-window"""
_MARGIN = timedelta(minutes=10)
"""What is sent at its very end may arrive after it."""
PREFIX = "whatsapp:"
WORDS = ("maker", "noun", "trouble", "link")
"""What a template's variables 1, 2, … hold unless the settings say otherwise."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text that WhatsApp has approved; its link should stand in the text, where a look-up finds it."""

    sid: str
    words: tuple[str, ...] = WORDS
    """The facts its numbered variables hold, in order (`notify.wording.facts`)."""

    def variables(self, facts: Mapping[str, str]) -> str:
        """As Twilio takes them: {"1": …, "2": …}. Raises DeliveryError where a fact is not known."""
        missing = [word for word in self.words if not facts.get(word)]
        if missing:
            detail = f"template {self.sid} wants {', '.join(missing)}, which this message has not"
            raise DeliveryError(Refusal.NEEDS_TEMPLATE, retry=Retry.NEVER, detail=detail)
        # A template's variable may not hold a line break.
        values = {str(number): " ".join(facts[word].split()) for number, word in enumerate(self.words, 1)}
        return json.dumps(values, ensure_ascii=False)


Templates = Mapping[str, Template]
"""By moment and language: {"opening.fr": …}."""


def parse_templates(text: str) -> Templates:
    """Of `{"opening.fr": "HX…", "resolved.fr": {"sid": "HX…", "words": ["maker", "noun"]}}`. Raises ConfigError."""
    try:
        listed = json.loads(text or "{}")
        return {name: _template(one) for name, one in listed.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise ConfigError(
            "PREVENANT_TWILIO_WHATSAPP_TEMPLATES is not understood; write for example "
            '{"opening.fr": "HX…", "resolved.fr": {"sid": "HX…", "words": ["maker", "noun"]}}'
        ) from exc


def _template(one: Any) -> Template:
    if isinstance(one, str):
        return Template(_sid(one))
    return Template(_sid(one["sid"]), tuple(str(word) for word in one.get("words", WORDS)))


def _sid(text: str) -> str:
    if not text.startswith("HX"):
        raise ValueError(text)
    return text


class TwilioWhatsapp:
    """The WhatsApp channel; `account.sender` is a number."""

    channel = Channel.WHATSAPP
    provider = PROVIDER
    look_up_after_s = LOOK_UP_AFTER_S
    authoritative = True
    repeatable = False

    def __init__(
        self,
        account: TwilioAccount,
        clock: Clock,
        *,
        templates: Templates,
        status_callback: str = "",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`status_callback`: our public address for receipts."""
        sender = replace(account, sender=f"{PREFIX}{account.sender}")
        self._twilio = TwilioClient(sender, status_callback=status_callback, timeout_s=timeout_s)
        self._clock, self._templates = clock, templates
        self.patience_s, self.close = self._twilio.patience_s, self._twilio.close

    def send(self, address: str, content: Content, *, reference: str) -> Receipt:
        return self._twilio.write(f"{PREFIX}{address}", reference=reference, **self._words(content))

    def look_up(self, pending: Pending) -> Receipt | None:
        # A template's text is not ours, but it holds our link.
        lines = (pending.body, pending.brief.link)
        return self._twilio.written(f"{PREFIX}{pending.address}", pending, lines=lines)

    def _words(self, content: Content) -> dict[str, str]:
        heard = content.last_inbound
        if heard is not None and self._clock.now() - heard < WINDOW - _MARGIN:
            return {"body": content.text}
        name = f"{content.moment}.{content.language}"
        template = self._templates.get(name)
        if template is None:
            detail = f"the person has not written for a day, and there is no approved template {name}"
            raise DeliveryError(Refusal.NEEDS_TEMPLATE, retry=Retry.NEVER, detail=detail)
        return {"content_sid": template.sid, "content_variables": template.variables(content.facts)}
