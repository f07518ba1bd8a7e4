"""Words before anybody gets them: each moment with made-up facts, on a phone, in an inbox, aloud; and to be tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import urlencode

import yaml
from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.headers import POLICY
from api.pages.frame import admit, frame
from api.pages.rendering import page
from api.routes.raw import FormFields
from api.services import House, Services
from api.views.phrases import first_upper
from api.views.wording_preview import Choice, preview
from domain.errors import NotFound, SourceError
from domain.messages import Channel, RecipientKind
from domain.wordings import Override
from notify.inspection import Findings, inspect_override, inspect_shipped
from notify.phrasebook import parts_of
from notify.render import Renderer
from notify.samples import samples
from notify.segments import segments
from notify.wording import FACTS, LANGUAGES, MOMENTS, audience_of
from store import wordings
from store.tables import Maker
from store.wordings import SqlWordings

router = APIRouter()

CHANNELS = {Channel.SMS: "SMS", Channel.EMAIL: "E-mail", Channel.VOICE: "Voice", Channel.WHATSAPP: "WhatsApp"}
TONGUES = {"en": "English", "fr": "French"}
_AUDIENCES = {
    RecipientKind.CUSTOMER: "To customers",
    RecipientKind.TECHNICIAN: "To technicians",
    RecipientKind.DISPATCHER: "To the dispatcher",
}
# A mail's styles stand in its tags; a frame without scripts or origin shows it, under this page's own rules.
_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'") + "; frame-src 'self'"


@dataclass(frozen=True, slots=True)
class Entry:
    """A moment in the list of all."""

    title: str
    href: str
    english: int
    french: int
    """Segments of the text message with plausible facts, at most; 0 where it is broken."""
    own: Sequence[tuple[str, str]]
    """Names of makers' own words, and what is wrong with them."""


@router.get("/templates")
def templates(request: Request, house: House) -> Response:
    """The chosen words as they are, and all moments."""
    admit(request, house)
    renderer = Renderer(overrides=SqlWordings(house.database))
    with house.database.read() as session:
        makers = {row.id: row.name for row in session.scalars(select(Maker).order_by(Maker.name))}
        choice = _choice(request.query_params, makers)
        name, parts = _source(renderer, choice)
        answer = page(
            request,
            "templates.html",
            part="parts/templates.html",
            frame=frame(request, session),
            makers=makers,
            groups=_groups(session, choice, renderer),
            name=name,
            parts=parts,
            facts=FACTS,
            **_context(renderer, choice, parts, house),
        )
    answer.headers["Content-Security-Policy"] = _POLICY
    return answer


@router.post("/templates/try")
def try_words(request: Request, fields: FormFields, house: House) -> Response:
    """The words of the form with the chosen sample; nothing is kept."""
    admit(request, house)
    with house.database.read() as session:
        makers = {row.id: row.name for row in session.scalars(select(Maker))}
    choice = _choice(fields, makers)
    parts = {part: fields.get(f"part_{part}", "") for part in parts_of(choice.channel)}
    part = "parts/template_preview.html"
    return page(request, part, part=part, **_context(Renderer(), choice, parts, house))


def _choice(asked: Mapping[str, str], makers: Mapping[str, str]) -> Choice:
    maker = asked.get("maker", "")
    choice = Choice(
        moment=asked.get("moment", MOMENTS[0]),
        language=asked.get("language", LANGUAGES[0]),
        channel=_known("channel", asked.get("channel", Channel.SMS), list(CHANNELS)),
        maker=_known("maker", maker, ["", *makers]),
        maker_name=makers.get(maker, ""),
        sample=asked.get("sample", "plain"),
    )
    _known("moment", choice.moment, MOMENTS)
    _known("language", choice.language, LANGUAGES)
    # One that this moment has not, as after a change of moment, gives way to the plainest.
    names = [sample.name for sample in samples(choice.moment, choice.language)]
    return choice if choice.sample in names else replace(choice, sample=names[0])


def _known(what: str, value: str, known: Sequence[Any]) -> Any:
    if value not in known:
        raise NotFound(what, value)
    return known[list(known).index(value)]


def _source(renderer: Renderer, choice: Choice) -> tuple[str, dict[str, str]]:
    try:
        return renderer.book.source(choice.moment, channel=choice.channel, language=choice.language, maker=choice.maker)
    except SourceError as exc:
        return str(exc), dict.fromkeys(parts_of(choice.channel), "")


def _context(renderer: Renderer, choice: Choice, parts: Mapping[str, str], house: Services) -> dict[str, Any]:
    return {
        "choice": choice,
        "title": title_of(choice.moment),
        "moments": [
            (_AUDIENCES[kind], [(moment, title_of(moment)) for moment in MOMENTS if audience_of(moment) is kind])
            for kind in _AUDIENCES
        ],
        "channels": CHANNELS,
        "languages": TONGUES,
        "samples": [(one.name, first_upper(one.name)) for one in samples(choice.moment, choice.language)],
        "found": preview(renderer, choice, parts, prices=house.sms_prices),
        "parts_text": " ".join(parts.values()),
        "prices": house.sms_prices,
        "manifest": _manifest(choice, parts),
    }


def title_of(moment: str) -> str:
    """`opening_after_remote_try` for people."""
    return first_upper(moment.replace("_", " "))


def _manifest(choice: Choice, parts: Mapping[str, str]) -> str:
    """The words as `prevenant apply` takes them."""
    head = {"kind": "template", "moment": choice.moment, "channel": str(choice.channel)}
    whose = {"maker": choice.maker} if choice.maker else {}
    words = {part: {choice.language: text} for part, text in parts.items()}
    return yaml.safe_dump({**head, **whose, **words}, sort_keys=False, allow_unicode=True, width=100)


def _groups(session: Session, choice: Choice, renderer: Renderer) -> list[tuple[str, list[Entry]]]:
    own = [wordings.override(row) for row in session.scalars(wordings.in_force())]
    findings = _shipped()
    groups: dict[RecipientKind, list[Entry]] = {kind: [] for kind in _AUDIENCES}
    for moment in MOMENTS:
        names = [(one.name, _wrong(renderer, one)) for one in own if one.moment == moment]
        query = urlencode({"moment": moment, "language": choice.language, "channel": choice.channel})
        english, french = (_segments(findings, moment, language) for language in LANGUAGES)
        groups[audience_of(moment)].append(Entry(title_of(moment), f"/templates?{query}", english, french, names))
    return [(_AUDIENCES[kind], entries) for kind, entries in groups.items()]


def _wrong(renderer: Renderer, own: Override) -> str:
    """What is wrong with words that were right when they were declared; empty if nothing is."""
    return "; ".join(str(mistake) for mistake in inspect_override(renderer, own).mistakes)


@cache
def _shipped() -> Findings:
    """Files do not change while a process runs."""
    return inspect_shipped()


def _segments(findings: Findings, moment: str, language: str) -> int:
    file = f"sms/{moment}.{language}.txt"
    if any(mistake.file == file for mistake in findings.mistakes):
        return 0
    counts = [segments(cost.text).count for cost in findings.costs if cost.template == file and cost.sample.plausible]
    return max(counts, default=1)
