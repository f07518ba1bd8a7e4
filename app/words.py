"""The renderer of the notify role: shipped words and makers' own, all of them tried once before anybody needs them."""

from collections.abc import Sequence

import structlog

from domain.errors import SourceError
from notify.inspection import inspect_override, inspect_shipped
from notify.render import Renderer
from store.database import Database
from store.wordings import SqlWordings

log = structlog.get_logger()


def build_renderer(database: Database) -> tuple[Renderer, str | None]:
    """The renderer, and one line of trouble if words are broken: in their place plainer ones will go out."""
    source = SqlWordings(database)
    renderer = Renderer(overrides=source)
    _, own = source.changed(-1) or (0, ())
    mistakes = [*inspect_shipped().mistakes, *(m for one in own for m in inspect_override(renderer, one).mistakes)]
    for mistake in mistakes:
        log.error("template broken", detail=str(mistake))
    return renderer, _trouble(mistakes)


def _trouble(mistakes: Sequence[SourceError]) -> str | None:
    if not mistakes:
        return None
    return f"{len(mistakes)} mistake(s) in templates, plainer words go out instead: {mistakes[0]}"
