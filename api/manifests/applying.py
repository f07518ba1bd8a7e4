"""From documents to rows: check everything of all documents first, then write all of it or nothing."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.errors import source_errors
from api.manifests.declaration import Applied, Declaration, read_model
from api.manifests.muting import put_mute
from api.manifests.references import References
from api.manifests.rows import put_customer, put_device, put_maker, put_playbook, put_product, put_technician
from api.manifests.rulebook import put_rule
from api.manifests.wording import put_template, read_template
from api.schemas.declared import CustomerIn, DeviceIn, MakerIn, ProductIn, TechnicianIn
from api.schemas.muting import MuteManifest
from dispatch.shifts import parse_shifts
from domain.errors import SourceError
from domain.spelling import suggest
from rules.documents import Document, Route, raise_all
from rules.loader import rule_from_document
from tickets.playbooks import parse_playbook

ORDER = ("maker", "product", "customer", "technician", "playbook", "device", "rule", "mute", "template")
"""Kinds in the order in which they are written: what is pointed to comes first."""
NOT_YET = ("site", "article")


def apply(session: Session, documents: Sequence[Document], *, now: datetime, dry_run: bool = False) -> list[Applied]:
    """Create or change what `documents` declare, whatever their order; answers in writing order.

    Raises a SourceError, or an ExceptionGroup of all of them, and then has written nothing. With `dry_run` all is
    done and taken back.
    """
    declarations = check(session, documents)
    savepoint = session.begin_nested()
    try:
        applied = [_write(session, declaration, now=now) for declaration in declarations]
        session.flush()
    except BaseException:
        savepoint.rollback()
        raise
    if dry_run:
        savepoint.rollback()
    else:
        savepoint.commit()
    return applied


def check(session: Session, documents: Sequence[Document]) -> list[Declaration]:
    """The declarations in writing order; raises as `apply` does."""
    errors: list[SourceError] = []
    declarations: list[Declaration] = []
    for document in documents:
        try:
            declarations.append(read(document))
        except (SourceError, ExceptionGroup) as exc:
            errors += source_errors(exc)
    errors += _doubles(declarations)
    references = References(session, declarations, documents)
    for declaration in declarations:
        errors += references.errors(declaration)
    raise_all(errors)
    return sorted(declarations, key=lambda declaration: ORDER.index(declaration.kind))


def read(document: Document) -> Declaration:
    """One document as the thing that it declares. Raises SourceErrors."""
    kind = document.kind
    if kind in NOT_YET:
        raise document.error(f"{kind} manifests are not available yet", at=("kind",), cure="leave this document out")
    if kind not in _READERS:
        near = suggest(kind, ORDER) if kind else ""
        problem = f"unknown kind {kind!r}" if kind else "is missing"
        raise document.error(problem, at=("kind",), cure=near or f"known are: {', '.join(ORDER)}")
    return _READERS[kind](document)


def _model(kind: str, model: type[Any], key: str) -> Callable[[Document], Declaration]:
    def reader(document: Document) -> Declaration:
        content = read_model(document, model, without=("kind",))
        return Declaration(kind, getattr(content, key), content, document)

    return reader


def _read_technician(document: Document) -> Declaration:
    content = read_model(document, TechnicianIn, without=("kind",))
    try:
        parse_shifts(content.shifts)
    except SourceError as exc:
        raise document.error(exc.problem, at=_route(exc.key), cure=exc.cure) from exc
    return Declaration("technician", content.id, content, document)


def _read_playbook(document: Document) -> Declaration:
    body = {key: value for key, value in document.data.items() if key != "kind"}
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise document.error("is missing", at=("name",), cure="name the playbook")
    try:
        parse_playbook(body)
    except SourceError as exc:
        raise document.error(exc.problem, at=_route(exc.key), cure=exc.cure) from exc
    return Declaration("playbook", name, body, document)


def _read_rule(document: Document) -> Declaration:
    rule = rule_from_document(document)
    return Declaration("rule", rule.name, rule, document)


_READERS: dict[str, Callable[[Document], Declaration]] = {
    "maker": _model("maker", MakerIn, "id"),
    "product": _model("product", ProductIn, "name"),
    "customer": _model("customer", CustomerIn, "id"),
    "technician": _read_technician,
    "playbook": _read_playbook,
    "device": _model("device", DeviceIn, "id"),
    "rule": _read_rule,
    "mute": _model("mute", MuteManifest, "key"),
    "template": read_template,
}


def _doubles(declarations: Sequence[Declaration]) -> Iterator[SourceError]:
    seen: dict[tuple[str, str], Declaration] = {}
    for declaration in declarations:
        first = seen.setdefault((declaration.kind, declaration.name), declaration)
        if first is not declaration:
            place = f"{first.document.file or 'this text'}:{first.document.where().line}"
            at = (
                ("name",)
                if "name" in declaration.document.data and declaration.kind in {"rule", "product"}
                else ("id",)
            )
            yield declaration.document.error(
                f"{declaration.kind} {declaration.name!r} is declared twice", at=at, cure=f"it is in {place} already"
            )


def _write(session: Session, declaration: Declaration, *, now: datetime) -> Applied:
    content = declaration.content
    match declaration.kind:
        case "maker":
            outcome = put_maker(session, content)
        case "product":
            outcome = put_product(session, content)
        case "customer":
            outcome = put_customer(session, content)
        case "technician":
            outcome = put_technician(session, content)
        case "playbook":
            outcome = put_playbook(session, declaration.name, content)
        case "device":
            outcome = put_device(session, content, now=now)
        case "rule":
            return put_rule(session, content, now=now)
        case "template":
            return put_template(session, content, now=now)
        case _:
            outcome = put_mute(session, content, now=now)
    session.flush()
    return Applied(declaration.kind, declaration.name, outcome)


def _route(key: str) -> Route:
    """`steps[0].command` as the way to it."""
    parts = key.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdigit() else part for part in parts if part)
