"""What declarations point to: it must be in the same documents or in the database already."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.manifests.declaration import Declaration
from api.manifests.muting import nowhere
from api.schemas.declared import DeviceIn, ProductIn
from api.schemas.muting import MuteManifest
from api.schemas.wordings import TemplateIn
from domain.errors import SourceError
from domain.faults import Stage
from domain.spelling import suggest
from rules.documents import Document, Route
from rules.loader import read_rule
from rules.model import Kind
from rules.model import Rule as Checked
from rules.vocabulary import Vocabulary
from store.notes import in_force
from store.tables import Customer, Device, Maker, Playbook, Product, Rule, RuleVersion
from store.tables.base import Base
from tickets.playbooks import CommandStep, parse_playbook

_TABLES: Mapping[str, type[Base]] = {
    "maker": Maker,
    "product": Product,
    "customer": Customer,
    "device": Device,
    "playbook": Playbook,
    "rule": Rule,
}


class References:
    """Knows what exists and what is about to."""

    def __init__(self, session: Session, declarations: Sequence[Declaration], documents: Sequence[Document]) -> None:
        self._session = session
        self._declared = declarations
        # A document with a mistake of its own is still there to be pointed to: one mistake, one error.
        self._names = {
            (d.kind, d.data.get(key)) for d in documents if isinstance(d.data, dict) for key in ("id", "name")
        }

    def errors(self, declaration: Declaration) -> Iterator[SourceError]:
        """One error for each thing that `declaration` points to and that nobody knows."""
        content, document = declaration.content, declaration.document
        match content:
            case ProductIn():
                yield from self._missing(document, "maker", content.maker, ("maker",))
                yield from self._of_standing_rules(declaration, RuleVersion.product)
            case DeviceIn():
                yield from self._missing(document, "product", content.product, ("product",))
                yield from self._missing(document, "customer", content.customer, ("customer",))
                for index, contact in enumerate(content.contacts):
                    yield from self._missing(document, "customer", contact.customer, ("contacts", index, "customer"))
            case MuteManifest():
                for kind in ("device", "product", "rule"):
                    yield from self._missing(document, kind, getattr(content, kind), (kind,))
                for problem, cure in nowhere(self._session, content, [*self._declared]):
                    yield document.error(problem, at=(content.scope,), cure=cure)
            case TemplateIn():
                yield from self._missing(document, "maker", content.maker or None, ("maker",))
            case Checked():
                yield from self._of_rule(content, document)
            case _ if declaration.kind == "playbook":
                yield from self._of_standing_rules(declaration, RuleVersion.playbook)

    def _of_rule(self, rule: Checked, document: Document) -> Iterator[SourceError]:
        yield from self._missing(document, "playbook", rule.playbook, ("playbook",))
        yield from self._inhibited(rule, document)
        if rule.product is None:
            yield document.error("is missing", at=("product",), cure="name the product that the rule watches")
            return
        unknown = list(self._missing(document, "product", rule.product, ("product",)))
        yield from unknown
        vocabulary = None if unknown else self._vocabulary(rule.product)
        if vocabulary is None:
            return
        yield from read_rule(document, vocabulary)[1]
        yield from self._commands_missing(rule.playbook, rule.product, document)

    def _inhibited(self, rule: Checked, document: Document) -> Iterator[SourceError]:
        """One error for each rule or family that `rule` inhibits and that is nobody's."""
        for index, aim in enumerate(rule.inhibits):
            yield from self._missing(document, "rule", aim.rule, ("inhibits", index, "rule"))
            families = self._families() if aim.family is not None else []
            if aim.family is not None and aim.family not in families:
                cure = suggest(aim.family, families) or "name the family of a rule, or apply that rule first"
                yield document.error(f"no rule of family {aim.family!r}", at=("inhibits", index, "family"), cure=cure)

    def _families(self) -> list[str]:
        declared = [d.content.family for d in self._declared if d.kind == "rule"]
        return [*declared, *self._session.scalars(select(RuleVersion.family).distinct())]

    def _commands_missing(self, playbook: str | None, product: str, document: Document) -> Iterator[SourceError]:
        """One error for each command that the rule's playbook sends and its product does not declare."""
        declared = self._commands(product)
        for name in dict.fromkeys(name for _, name in _sent(self._playbook(playbook))):
            if name not in declared:
                known = f"its commands are: {', '.join(declared)}" if declared else "it declares no command"
                cure = suggest(name, declared) or f"declare it in the product's `commands`; {known}"
                problem = f"playbook {playbook!r} sends command {name!r}, which product {product!r} does not declare"
                yield document.error(problem, at=("playbook",), cure=cure)

    def _of_standing_rules(
        self, declaration: Declaration, points: InstrumentedAttribute[str | None]
    ) -> Iterator[SourceError]:
        """One error for each command that a rule in the database would lack by this change of what it points to."""
        newest = (RuleVersion.name == Rule.name) & (RuleVersion.version == Rule.version)
        standing = select(RuleVersion).join(Rule, newest).where(Rule.stage != Stage.RETIRED)
        for rule in self._session.scalars(standing.where(points == declaration.name).order_by(RuleVersion.name)):
            if ("rule", rule.name) in self._names or rule.product is None:
                continue
            declared = self._commands(rule.product)
            for at, name in _sent(self._playbook(rule.playbook)):
                if name not in declared:
                    key = at if declaration.kind == "playbook" else ("commands",)
                    problem = (
                        f"rule {rule.name!r} needs command {name!r}, which product {rule.product!r} does not declare"
                    )
                    yield declaration.document.error(problem, at=key, cure="declare it, or retire the rule first")

    def _playbook(self, name: str | None) -> Mapping[str, Any]:
        """Its body; empty where it is not known or has a mistake of its own."""
        declared = next((d.content for d in self._declared if d.kind == "playbook" and d.name == name), None)
        if declared is not None:
            found: Mapping[str, Any] = declared
            return found
        row = self._session.get(Playbook, name) if name else None
        return row.body if row is not None and ("playbook", name) not in self._names else {}

    def _commands(self, product: str) -> list[str]:
        declared = next((d.content for d in self._declared if d.kind == "product" and d.name == product), None)
        if declared is not None:
            return list(declared.commands)
        row = self._session.get(Product, product)
        return list(row.commands or {}) if row is not None else []

    def _missing(self, document: Document, kind: str, name: str | None, at: Route) -> Iterator[SourceError]:
        if name is None or (kind, name) in self._names or self._session.get(_TABLES[kind], name) is not None:
            return
        near = suggest(name, self._known(kind))
        yield document.error(f"no {kind} {name!r}", at=at, cure=near or "declare it, or apply its manifest first")

    def _known(self, kind: str) -> list[str]:
        key = _TABLES[kind].__mapper__.primary_key[0]
        stored = self._session.scalars(select(key).limit(2000)).all()
        return [*(str(name) for known, name in self._names if known == kind), *stored]

    def _vocabulary(self, product: str) -> Vocabulary | None:
        """The names a rule of `product` may use; None where its manifest has a mistake and is not known."""
        declared = next((d.content for d in self._declared if d.kind == "product" and d.name == product), None)
        if declared is not None:
            metrics: Mapping[str, Any] = {name: metric.model_dump() for name, metric in declared.metrics.items()}
        elif (row := self._session.get(Product, product)) is not None:
            metrics = row.metrics
        else:
            return None
        kinds = {name: Kind(metric["kind"]) if (metric or {}).get("kind") else None for name, metric in metrics.items()}
        return Vocabulary(metrics=kinds, attributes=self._attributes(product), closed=True)

    def _attributes(self, product: str) -> dict[str, Kind]:
        rows = self._session.scalars(select(Device).where(Device.product == product))
        sets: list[Mapping[str, Any]] = [in_force(row.reported, row.attributes) for row in rows]
        sets += [d.content.attributes for d in self._declared if d.kind == "device" and d.content.product == product]
        return {name: _kind(value) for attributes in sets for name, value in attributes.items()}


def _sent(playbook: Mapping[str, Any]) -> list[tuple[Route, str]]:
    """The commands that a playbook sends, each with its place."""
    steps = parse_playbook(playbook).steps if playbook else ()
    return [(("steps", at, "command"), step.name) for at, step in enumerate(steps) if isinstance(step, CommandStep)]


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return Kind.BOOLEAN
    return Kind.STRING if isinstance(value, str) else Kind.NUMBER
