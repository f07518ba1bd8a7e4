"""Template manifests: tried with every sample before they are stored, so that no maker's slip reaches a customer."""

from datetime import datetime
from functools import cache

from sqlalchemy.orm import Session

from api.manifests.declaration import Applied, Declaration, Outcome, read_model
from api.schemas.wordings import TemplateIn
from domain.errors import SourceError
from notify.inspection import Cost, Findings, inspect_override
from notify.render import Renderer
from notify.segments import culprits, segments
from rules.documents import Document, Route, raise_all
from store import wordings


def read_template(document: Document) -> Declaration:
    """Raises the SourceErrors of its form and of its words, with file, line and key."""
    content = read_model(document, TemplateIn, without=("kind",))
    found = inspect_override(_renderer(), content.override())
    raise_all([_placed(document, mistake) for mistake in found.mistakes])
    return Declaration("template", content.key, content, document)


def put_template(session: Session, content: TemplateIn, *, now: datetime) -> Applied:
    """Other words than those in force make another version."""
    own = content.override()
    row = wordings.current(session, own.name)
    note = _note(inspect_override(_renderer(), own))
    if row is not None and row.words == own.words:
        return Applied("template", own.name, Outcome.UNCHANGED, row.version, note)
    outcome = Outcome.CHANGED if row is not None else Outcome.CREATED
    return Applied("template", own.name, outcome, wordings.put(session, own, now=now).version, note)


@cache
def _renderer() -> Renderer:
    return Renderer()


def _placed(document: Document, mistake: SourceError) -> SourceError:
    language, _, part = mistake.key.partition(".")
    at: Route = (part or "text", language)
    if document.get(at) is None:
        at = at[:1]  # a bare string is English
    return document.error_inside(mistake, at=at)


def _note(found: Findings) -> str:
    """What it costs with plausible facts, where that is more than one segment."""
    costs: dict[str, Cost] = {}
    for cost in found.costs:
        if cost.sample.plausible:
            costs.setdefault(cost.sample.brief.recipient.language, cost)
    return "; ".join(_said(language, cost) for language, cost in costs.items())


def _said(language: str, cost: Cost) -> str:
    said = [
        f"{language}: {segments(cost.text).count} segments with sample {cost.sample.name!r}",
        *map(str, culprits(cost.text)),
    ]
    return ", ".join(said)
