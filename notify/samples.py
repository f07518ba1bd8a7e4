"""Made-up facts for every moment, plain and nasty: templates are checked against them, and the preview shows them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.faults import Severity
from domain.messages import BAD_NEWS, Channel, MessageStage, MessageState
from domain.outbox import Brief
from domain.people import Recipient
from notify.wording import SAFETY, audience_of

NOW = datetime(2026, 3, 3, 13, 20, tzinfo=UTC)
"""A Tuesday, 14:20 in Paris."""
LINK = "https://prv.nt/c/7k.q7WkZp3xY-aB"
_LONG_LINK = "https://prevenant.example.com/c/1z141z3.q7WkZp3xY-aB"


@dataclass(frozen=True, slots=True)
class Sample:
    """Facts of one moment. `plausible`: as most are, so that a shipped text message must fit one segment."""

    name: str
    stage: MessageStage
    brief: Brief
    plausible: bool


def samples(moment: str, language: str) -> list[Sample]:
    """All samples of a moment, the plainest first."""
    stage = MessageStage.OPENING if moment == SAFETY else MessageStage(moment)
    start = _plain(moment, language)
    return [
        Sample(name, stage, change(start), plausible)
        for name, (change, plausible) in _VARIANTS.items()
        # Danger has words of its own, so the others never tell it as news.
        if name not in {"danger", "neighbour"} or stage not in BAD_NEWS or moment == SAFETY
    ]


def _plain(moment: str, language: str) -> Brief:
    kind = audience_of(moment)
    person = Recipient(
        kind,
        "c-1",
        "Alice Martin",
        language=language,
        phone="+33612345678",
        email="alice@example.net",
        timezone="Europe/Paris",
    )
    return Brief(
        recipient=person,
        sender="Thermia",
        ticket_id=77,
        ticket_open=True,
        link=LINK,
        title={"en": "Compressor too hot", "fr": "Compresseur trop chaud"},
        noun={"en": "heat pump", "fr": "pompe"},
        says={"en": "stops too often", "fr": "se coupe trop souvent"},
        notice={"en": "The house warms more slowly.", "fr": "La maison chauffe plus lentement."},
        severity=Severity.SAFETY if moment == SAFETY else Severity.MAJOR,
        remote_try="restart" if moment != MessageStage.OPENING else None,
        opening_state=MessageState.DELIVERED,
        opening_channel=Channel.SMS,
        healthy_since=NOW - timedelta(minutes=10) if moment == MessageStage.RESOLVED else None,
        place="1 rue de la Paix, Paris",
        device_id="hp-1",
        product="heatpump-x",
        maker="thermia",
        customer_name="Alice Martin",
        customer_phone="+33612345678",
        details=_DETAILS.get(moment, {}),
        **_visit(moment),
    )


_WITH_VISIT = frozenset(
    {
        MessageStage.VISIT_CONFIRMED,
        MessageStage.ON_THE_WAY,
        MessageStage.VISIT_OFFER,
        MessageStage.VISIT_CANCELLED,
        MessageStage.VISIT_TIME,
        MessageStage.KNOWN,
    }
)
_DETAILS: Mapping[str, Mapping[str, Any]] = {
    MessageStage.DIGEST: {
        "count": 7,
        "items": [
            {"noun": {"en": "heat pump", "fr": "pompe"}, "says": {"en": "stops too often", "fr": "se coupe souvent"}},
            {"noun": {"en": "boiler", "fr": "chaudière"}, "title": {"en": "Low pressure", "fr": "Pression basse"}},
        ],
    },
    MessageStage.AWAY: {"until": "2026-03-17T22:59:00Z"},
    MessageStage.WHICH_ONE: {
        "choices": [{"en": "heat pump", "fr": "pompe"}, {"en": "boiler", "fr": "chaudière"}],
    },
    MessageStage.KNOWN: {"onset": "2026-03-03T13:10:00Z"},
    MessageStage.AGENT_REPLY: {"text": "Sam will bring the valve."},
    MessageStage.APPROVAL_WANTED: {"count": 240},
    MessageStage.NO_TECHNICIAN: {"left_out": [{"technician_id": "t-1", "reason": "is on leave"}]},
    MessageStage.NOBODY_REACHABLE: {"reason": "no address left"},
    MessageStage.TEMPLATE_BROKEN: {"template": "thermia.opening.sms v3", "problem": "technician is not known"},
}


def _visit(moment: str) -> dict[str, Any]:
    if moment not in _WITH_VISIT:
        return {"skill": "refrigerant" if moment == MessageStage.NO_TECHNICIAN else None}
    hour = NOW.replace(minute=0)
    return {
        "technician": "Sam",
        "visit_start": hour,
        "visit_end": hour + timedelta(hours=2),
        "visit_state": "accepted",
        "skill": "refrigerant",
    }


def _bare(brief: Brief) -> Brief:
    """What a rule, a product or a person may lack."""
    return replace(
        brief,
        recipient=replace(brief.recipient, name=""),
        noun={},
        says={},
        notice={},
        remote_try=brief.remote_try and "drain",
        healthy_since=None,
        technician=None,
        place="",
        skill=None,
        product="",
        maker="",
        customer_name="",
        customer_phone=None,
        details={},
    )


def _first(brief: Brief) -> Brief:
    return replace(brief, first_contact=True)


def _long(brief: Brief) -> Brief:
    """The longest that people are really called, and things."""
    return replace(
        brief,
        recipient=replace(brief.recipient, name="Maximilienne Vandenbroucke-Delacourt"),
        sender="Chauffage Montferrand & Fils",
        link=_LONG_LINK,
        title={
            "en": "Compressor hotter than its limit for five minutes",
            "fr": "Compresseur plus chaud que sa limite depuis cinq minutes",
        },
        noun={"en": "reversible air-to-water heat pump", "fr": "pompe à chaleur air-eau réversible"},
        says={"en": "will likely stop within three days", "fr": "va sans doute se couper dans les trois jours"},
        technician=brief.technician and "Anne-Charlotte",
        device_id="FR-IDF-00412-HEATPUMP-7",
        place="128 boulevard Richard-Lenoir, bâtiment C, 75011 Paris",
        customer_name="Maximilienne Vandenbroucke-Delacourt",
        visit_start=brief.visit_start and brief.visit_start + timedelta(days=8, minutes=30),
        visit_end=brief.visit_end and brief.visit_end + timedelta(days=8, minutes=30),
        first_contact=True,
    )


def _accents(brief: Brief) -> Brief:
    """Letters beyond GSM-7, and some that are inside."""
    return replace(
        brief,
        recipient=replace(brief.recipient, name="Zoë Bœuf-Lefèvre"),
        sender="Böhler Wärme",
        says={"en": "won’t start…", "fr": "s’arrête sans prévenir"},
        notice={"en": "It’s colder “inside”.", "fr": "La fenêtre de contrôle s’éteint."},
        technician=brief.technician and "Jérôme",
        place="3 allée des Chênes, Ploërmel",
        customer_name="Zoë Bœuf-Lefèvre",
    )


def _odd(brief: Brief) -> Brief:
    """What could be taken for markup, or for a template."""
    return replace(brief, sender="O'Neil & Sons <3 {{ 7 * 7 }}", says={"en": "<b>stops</b>", "fr": "<b>se coupe</b>"})


def _one_language(brief: Brief) -> Brief:
    """A rule and product that were described in English only."""
    return replace(
        brief,
        title={"en": brief.title["en"]},
        noun={"en": brief.noun["en"]},
        says={"en": brief.says["en"]},
        notice={"en": brief.notice["en"]},
    )


def _late(brief: Brief) -> Brief:
    """The promised hour has passed, or nobody knows it."""
    past = timedelta(hours=5)
    return replace(
        brief,
        visit_start=brief.visit_start and brief.visit_start - past,
        visit_end=brief.visit_end and brief.visit_end - past,
        healthy_since=None,
    )


def _dangerous(brief: Brief) -> Brief:
    """A fault that is a danger, and its playbook knows what to do at once."""
    return replace(
        brief,
        severity=Severity.SAFETY,
        noun={"en": "boiler", "fr": "chaudière"},
        says={"en": "reports carbon monoxide", "fr": "signale du monoxyde de carbone"},
        notice={"en": "It has no smell; it may give you a headache.", "fr": "Sans odeur, il peut donner mal au crâne."},
        instruction={"en": "Get out, open windows", "fr": "Sortez, aérez"},
    )


def _neighbourly(brief: Brief) -> Brief:
    """For somebody who does not live there."""
    return replace(brief, role="neighbour", customer_name="Paul Durand")


_VARIANTS: Mapping[str, tuple[Callable[[Brief], Brief], bool]] = {
    "plain": (lambda brief: brief, True),
    "first contact": (_first, True),
    "bare": (_bare, True),
    "late": (_late, True),
    "danger": (_dangerous, True),
    "neighbour": (lambda brief: _neighbourly(_dangerous(brief)), True),
    "one language": (_one_language, True),
    "long names": (_long, False),
    "accents": (_accents, False),
    "odd characters": (_odd, False),
}
NAMES = tuple(_VARIANTS)
