"""One declared thing on its way from a document to a row, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from domain.errors import SourceError
from domain.spelling import suggest
from rules.documents import Document, Route

Model = TypeVar("Model", bound=BaseModel)


class Outcome(StrEnum):
    """What applying did."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Applied:
    """One thing that was declared, and what that did."""

    kind: str
    name: str
    outcome: Outcome
    version: int | None = None
    """For rules: the version that now stands."""
    note: str = ""
    """What a person should know of it beside the outcome."""
    evaluated: bool = True
    """False for a rule that no engine looks at: a draft, or one that is retired."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A document whose own form is right; what it points to is not checked yet."""

    kind: str
    name: str
    content: Any
    """The kind's model, a rule, or a playbook's body."""
    document: Document


def read_model(document: Document, model: type[Model], *, without: tuple[str, ...] = ()) -> Model:
    """The document as `model`. Raises one SourceError for each mistake, as a group if there are several."""
    if not isinstance(document.data, dict):
        raise document.error("must be a mapping of keys to values")
    data = {key: value for key, value in document.data.items() if key not in without}
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        errors = _errors(document, model, exc)
    if len(errors) == 1:
        raise errors[0]
    raise ExceptionGroup(f"{len(errors)} mistakes", errors)


def _errors(document: Document, model: type[BaseModel], exc: ValidationError) -> list[SourceError]:
    found: dict[Route, SourceError] = {}
    for error in exc.errors(include_url=False):
        missing = error["type"] == "missing"
        at = tuple(error["loc"]) if missing else _in_document(document, error["loc"])
        if at not in found:
            found[at] = _error(document, model, at, error)
    return list(found.values())


def _error(document: Document, model: type[BaseModel], at: Route, error: Any) -> SourceError:
    if error["type"] == "extra_forbidden":
        known = _keys_at(model, at[:-1])
        near = suggest(str(at[-1]), known)
        return document.error("unknown key", at=at, cure=near or (f"known are: {', '.join(known)}" if known else ""))
    if error["type"] == "missing":
        return document.error("is missing", at=at, cure="add it")
    problem, _, cure = error["msg"].removeprefix("Value error, ").partition("; ")
    if error["type"] != "value_error":
        problem = f"{problem[:1].lower()}{problem[1:]}, got {error['input']!r:.60}"
    return document.error(problem, at=at, cure=cure)


def _in_document(document: Document, loc: tuple[str | int, ...]) -> Route:
    """pydantic also names the branch of a union it tried; keep the steps that the document has."""
    at: Route = ()
    for step in loc:
        inside = document.get(at)
        if not (isinstance(inside, dict) and step in inside) and not (
            isinstance(inside, list) and isinstance(step, int) and step < len(inside)
        ):
            break
        at = (*at, step)
    return at


def _keys_at(model: type[BaseModel], at: Route) -> list[str]:
    """The keys that the model knows at a place; follows nested models by the names of their fields."""
    current: Any = model
    for step in at:
        fields = getattr(current, "model_fields", None)
        if fields is None:
            continue  # inside a mapping or list: the next step is a name or position of the document's own
        field = next((f for name, f in fields.items() if step in {name, f.alias}), None)
        current = _model_inside(field.annotation) if field else None
        if current is None:
            return []
    fields = getattr(current, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_inside(part) for part in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)
