"""Words that a maker chose for a moment, in place of those that Prevenant ships."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.messages import Channel


@dataclass(frozen=True, slots=True)
class Failure:
    """Words that could not be used for a message, and why; it went out with plainer ones."""

    template: str
    problem: str


@dataclass(frozen=True, slots=True)
class Override:
    """One version of the words of one moment on one channel, for one maker or for all."""

    maker: str
    """Id; empty: every maker that has no words of its own."""
    moment: str
    """A message stage, or `safety`."""
    channel: Channel
    version: int
    words: Mapping[str, Mapping[str, str]]
    """By language, then by part: {"en": {"text": …}}, or for e-mail any of subject, headline, body and button."""

    @property
    def name(self) -> str:
        """`thermia.opening.sms`, or `opening.sms` for all."""
        return name_of(self.maker, self.moment, self.channel)


def name_of(maker: str, moment: str, channel: str) -> str:
    """The name under which these words are kept."""
    return ".".join(part for part in (maker, moment, channel) if part)
