"""The texts that WhatsApp has approved, which an operator's settings name by moment and language."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import ConfigError, DeliveryError
from domain.messages import Refusal, Retry

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
