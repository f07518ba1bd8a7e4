"""Templates are looked at before anybody needs them: rendered with every sample, their cost counted, mistakes named.

The notify role does so at its start, `prevenant apply` with what makers declare, and the tests with what is shipped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import SourceError
from domain.messages import Channel
from domain.outbox import Content
from domain.wordings import Override
from notify import wording
from notify.phrasebook import TEMPLATES, Found, Words
from notify.render import Renderer
from notify.samples import NOW, Sample, samples
from notify.segments import ROOM, ROOM_OF_SEVERAL, culprits, segments, units
from notify.wording import LANGUAGES, MOMENTS

TEXTED = (Channel.SMS,)
"""Channels that are billed by segment."""
SHIPPED = (Channel.SMS, Channel.EMAIL, Channel.VOICE)
"""Channels with a folder of words of their own."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A text that takes more than one segment with one of the samples."""

    template: str
    sample: Sample
    text: str

    def __str__(self) -> str:
        found = segments(self.text)
        room = ROOM[found.encoding] if found.count == 1 else ROOM_OF_SEVERAL[found.encoding] * found.count
        line = (
            f"{self.template}: {found.count} segments ({units(self.text)} of {room}) with sample {self.sample.name!r}"
        )
        return "; ".join([line, *map(str, culprits(self.text))])


@dataclass(frozen=True, slots=True)
class Findings:
    """What an inspection found: mistakes stop a manifest, costs are told."""

    mistakes: tuple[SourceError, ...] = ()
    costs: tuple[Cost, ...] = ()


def inspect_shipped(folder: Path = TEMPLATES, *, moments: Sequence[str] = MOMENTS) -> Findings:
    """The moments in every language on every channel, as shipped in `folder`."""
    renderer = Renderer(folder)
    return _together(
        inspect(
            renderer,
            renderer.book.shipped(moment, channel=channel, language=language),
            moment=moment,
            channel=channel,
            language=language,
        )
        for channel in SHIPPED
        if (folder / channel).is_dir()
        for moment in moments
        for language in LANGUAGES
    )


def inspect_override(renderer: Renderer, own: Override) -> Findings:
    """What a maker wrote. The `key` of a mistake is its way in the words: `fr.subject`."""
    found = []
    for language in own.words:
        try:
            words: Found = renderer.book.compile(own, language)
        except SourceError as exc:
            words = exc
        one = inspect(renderer, words, moment=own.moment, channel=own.channel, language=language)
        mistakes = tuple(_keyed(mistake, language) for mistake in one.mistakes)
        found.append(Findings(mistakes, one.costs))
    return _together(found)


def inspect(renderer: Renderer, words: Found, *, moment: str, channel: Channel, language: str) -> Findings:
    """`words` rendered with every sample; each mistake once, named with the first sample that shows it."""
    if isinstance(words, SourceError):
        return Findings((words,))
    mistakes: dict[tuple[str, int, str], SourceError] = {}
    costs: list[Cost] = []
    for sample in samples(moment, language):
        try:
            content = trial(renderer, words, sample, channel=channel, language=language)
        except SourceError as exc:
            mistakes.setdefault((exc.key, exc.line, exc.problem), _with(exc, moment, sample))
        else:
            if channel in TEXTED and segments(content.text).count > 1:
                costs.append(Cost(words.name, sample, content.text))
    return Findings(tuple(mistakes.values()), tuple(costs))


def trial(renderer: Renderer, words: Words, sample: Sample, *, channel: Channel, language: str) -> Content:
    """What `words` make of a sample. Raises SourceError."""
    return renderer.compose(words, facts_of(sample, language), channel=channel, language=language)


def facts_of(sample: Sample, language: str) -> Mapping[str, Any]:
    """The facts of a sample in a language."""
    return wording.facts(sample.brief, language=language, now=NOW)


def _with(exc: SourceError, moment: str, sample: Sample) -> SourceError:
    problem = f"{exc.problem} (moment {moment}, sample {sample.name!r})"
    return SourceError(problem, cure=exc.cure, file=exc.file, line=exc.line, column=exc.column, key=exc.key)


def _keyed(exc: SourceError, language: str) -> SourceError:
    key = ".".join(part for part in (language, exc.key) if part)
    return SourceError(exc.problem, cure=exc.cure, file=exc.file, line=exc.line, column=exc.column, key=key)


def _together(found: Iterable[Findings]) -> Findings:
    every = list(found)
    return Findings(
        tuple(mistake for one in every for mistake in one.mistakes), tuple(cost for one in every for cost in one.costs)
    )
