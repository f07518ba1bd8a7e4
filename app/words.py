"""The words of the notify role, shipped and makers' own, all of them tried once at its start, beside its work."""

import threading
from collections.abc import Callable, Sequence

import structlog

from domain.errors import SourceError, StoreUnavailable
from domain.wordings import Override
from notify.inspection import inspect_override, inspect_shipped
from notify.render import Renderer
from store.database import Database
from store.wordings import SqlWordings

log = structlog.get_logger()


def build_renderer(database: Database) -> tuple[Renderer, Callable[[], str | None]]:
    """The renderer, and one line of trouble once words are found broken: plainer ones go out in their place."""
    source = SqlWordings(database)
    found: list[str | None] = [None]
    inspection = threading.Thread(
        target=lambda: found.__setitem__(0, trouble(_own(source))), name="inspection", daemon=True
    )
    inspection.start()
    return Renderer(overrides=source), lambda: found[0]


def trouble(own: Sequence[Override]) -> str | None:
    """One line on what is wrong with the shipped words and `own`; each mistake is logged."""
    renderer = Renderer()
    mistakes: list[SourceError] = list(inspect_shipped().mistakes)
    for one in own:
        mistakes += inspect_override(renderer, one).mistakes
    for mistake in mistakes:
        log.error("template broken", detail=str(mistake))
    if not mistakes:
        return None
    return f"{len(mistakes)} mistake(s) in templates, plainer words go out instead: {mistakes[0]}"


def _own(source: SqlWordings) -> Sequence[Override]:
    try:
        news = source.changed(-1)
    except StoreUnavailable as exc:
        log.warning("own words not inspected", detail=str(exc))
        return ()
    return news[1] if news else ()
