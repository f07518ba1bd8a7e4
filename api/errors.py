"""The only place that knows HTTP codes: every error becomes RFC 9457 problem+json, or for a browser a page.

NotFound 404 · Gone 410 · IllegalTransition 409 with the legal moves · other Conflict 409 · SourceError and validation
422 with file, line and key · Unauthorized 401 · Forbidden 403
LogUnavailable, StoreUnavailable, HistoryUnavailable 503 with Retry-After
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException

from domain.errors import (
    ConfigError,
    Conflict,
    Forbidden,
    HistoryUnavailable,
    IllegalTransition,
    LogUnavailable,
    NotFound,
    PrevenantError,
    SourceError,
    StoreUnavailable,
    TooLargeForLog,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5

log = structlog.get_logger()


class Gone(PrevenantError):
    """A link whose thing is over for good."""


class Unauthorized(PrevenantError):
    """No token, or a wrong one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """RFC 9457: what is wrong, for people and for programs."""

    status: int
    title: str
    detail: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The JSON object."""
        kind = self.title.lower().replace(" ", "-")
        return {
            "type": f"urn:prevenant:problem:{kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }


def problem_of(exc: Exception) -> Problem:
    """The problem that an error is, seen from outside. Raises TypeError for one that is none of ours."""
    match exc:
        case Unauthorized():
            return Problem(401, "Unauthorized", str(exc), headers={"WWW-Authenticate": "Bearer"})
        case Forbidden():
            return Problem(403, "Forbidden", str(exc))
        case Gone():
            return Problem(410, "Gone", str(exc))
        case NotFound():
            return Problem(404, "Not found", str(exc))
        case IllegalTransition():
            extra = {"now": exc.now, "wanted": exc.wanted, "legal": list(exc.legal)}
            return Problem(409, "Illegal transition", str(exc), extra)
        case Conflict():
            return Problem(409, "Conflict", str(exc))
        case StaleDataError():
            return Problem(409, "Conflict", "somebody else changed this at the same moment; look again and repeat")
        case SourceError():
            return Problem(422, "Invalid source", str(exc), {"errors": [source_fields(exc)]})
        case ExceptionGroup():
            faults = list(source_errors(exc))
            return Problem(
                422, "Invalid source", f"{len(faults)} errors", {"errors": [source_fields(e) for e in faults]}
            )
        case RequestValidationError():
            faults_in = [_field(error) for error in exc.errors()]
            detail = "; ".join(f"{fault['key']}: {fault['problem']}" for fault in faults_in)
            return Problem(422, "Invalid request", detail, {"errors": faults_in})
        case StoreUnavailable() | LogUnavailable() | HistoryUnavailable():
            return Problem(503, "Unavailable", str(exc), headers={"Retry-After": str(RETRY_AFTER_S)})
        case TooLargeForLog():
            return Problem(413, "Too large", str(exc))
        case ConfigError():
            return Problem(500, "Wrong set-up", str(exc))
        case HTTPException():
            title = HTTPStatus(exc.status_code).phrase.capitalize()
            return Problem(exc.status_code, title, str(exc.detail), headers=dict(exc.headers or {}))
    raise TypeError(f"{exc!r} has no place among the problems")


def source_errors(exc: SourceError | ExceptionGroup[Any]) -> Iterator[SourceError]:
    """All source errors of a group, in order."""
    if isinstance(exc, SourceError):
        yield exc
        return
    for inner in exc.exceptions:
        yield from source_errors(inner)


def install(app: FastAPI) -> None:
    """Answer every error as a problem, unknown routes and wrong methods too."""
    ours: Sequence[type[Exception]] = (
        PrevenantError,
        ExceptionGroup,
        RequestValidationError,
        HTTPException,
        StaleDataError,
    )
    for kind in ours:
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(Exception, _surprise)


def answer(request: Request, exc: Exception) -> Response:
    """The response for `exc`: a page where a person is looking, else problem+json."""
    try:
        problem = problem_of(exc)
    except TypeError:
        raise exc from None
    return _respond(request, problem)


def _surprise(request: Request, exc: Exception) -> Response:
    log.error("unexpected error", path=request.url.path, exc_info=exc)
    return _respond(request, Problem(500, "Internal error", "something went wrong on our side; it has been logged"))


def _respond(request: Request, problem: Problem) -> Response:
    if _is_for_a_person(request):
        from api.pages.rendering import error_page

        return error_page(request, problem)
    return JSONResponse(
        problem.body(), status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(problem.headers)
    )


def _is_for_a_person(request: Request) -> bool:
    path, accept = request.url.path, request.headers.get("accept", "")
    return "text/html" in accept and not path.startswith(("/v1/", "/hooks/", "/api/", "/static/"))


def source_fields(exc: SourceError) -> dict[str, Any]:
    """What a mistake says, without what it does not know."""
    parts = {
        "problem": exc.problem,
        "cure": exc.cure,
        "file": exc.file,
        "line": exc.line,
        "column": exc.column,
        "key": exc.key,
    }
    return {name: value for name, value in parts.items() if value or name == "problem"}


def _field(error: Mapping[str, Any]) -> dict[str, Any]:
    place = [str(part) for part in error["loc"]]
    problem = "unknown key" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
    return {"key": ".".join(place[1:] or place), "in": place[0], "problem": problem}
