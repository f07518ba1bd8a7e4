"""A morning on real parts, told to a `House`: several homes, several troubles, each at another point of its story."""

import math
from collections.abc import Callable, Mapping
from datetime import timedelta

from sqlalchemy import delete, select, update

from app import pipeline
from domain.clock import to_ms
from domain.faults import EndReason, Severity, Transition, TransitionState
from domain.intake import Heard
from domain.messages import Channel
from domain.telemetry import Sample, Uplink, Value, partition_of
from domain.tickets import CommandState
from notify.channels.base import ChannelAdapter
from notify.channels.sandbox import SandboxChannel
from notify.sender import Sender
from store.notes import SqlNotes
from store.outbox import SqlOutbox
from store.sandbox import SqlSandbox
from store.tables import Command, Device, Due
from tests.fakes.api_house import House
from tickets.quiet import of_ticket

PEOPLE = (
    ("c-camille", "Camille Lefèvre", "fr", "+33612345601", "hp-camille", "heatpump-x", "14 rue Oberkampf, 75011 Paris"),
    ("c-oliver", "Oliver Bennett", "en", "+447400123456", "hp-oliver", "heatpump-x", "27 Lordship Lane, London SE22"),
    (
        "c-sophie",
        "Sophie Marchand",
        "fr",
        "+33612345603",
        "wm-sophie",
        "washer-s",
        "8 rue des Tilleuls, 92100 Boulogne",
    ),
    ("c-jonas", "Jonas Okafor", "en", "+447400123457", "hp-jonas", "heatpump-x", "3 Bellenden Road, London SE15"),
    ("c-amina", "Amina Diallo", "fr", "+33612345605", "hp-amina", "heatpump-x", "40 avenue Foch, 94300 Vincennes"),
    ("c-hotel", "Hôtel Bellevue", "fr", "+33612345606", "hp-bellevue", "heatpump-x", "2 quai Voltaire, 75007 Paris"),
)

CATALOGUE = """
kind: maker
id: thermia
name: Thermia
---
kind: maker
id: lavanda
name: Lavanda
---
kind: product
name: heatpump-x
maker: thermia
title: {en: Heat pump X, fr: Pompe à chaleur X}
noun: {en: heat pump, fr: pompe à chaleur}
metrics:
  compressor_temp: {unit: °C, title: {en: Compressor, fr: Compresseur}}
  pressure: {unit: bar, title: {en: Water pressure, fr: Pression d'eau}}
  power: {unit: kW, title: {en: Power, fr: Puissance}}
commands: {restart: {title: {en: Restart, fr: Redémarrer}, args: {}}}
---
kind: product
name: washer-s
maker: lavanda
title: {en: Washing machine S, fr: Lave-linge S}
noun: {en: washing machine, fr: lave-linge}
metrics: {drain_seconds: {unit: s}, water_level: {unit: cm}}
---
kind: technician
id: t-karim
name: Karim Haddad
language: fr
phone: "+33698765401"
skills: [refrigerant, electrical]
home: {lat: 48.861, lon: 2.379}
timezone: Europe/Paris
shifts: {mon-fri: ["08:00-12:00", "13:00-18:00"]}
---
kind: technician
id: t-nora
name: Nora Whitfield
language: en
phone: "+447400123458"
skills: [refrigerant]
home: {lat: 51.46, lon: -0.07}
timezone: Europe/London
shifts: {mon-fri: ["08:00-12:00", "13:00-18:00"]}
---
kind: playbook
name: restart-then-ask
healthy_for: 10m
close_after: 20m
steps: [{command: restart}, {verify: {for: 15m}}, {message: customer}]
visit: {skill: refrigerant, duration: 45m}
notice:
  en: The house may warm up more slowly, and the pump may switch off and on.
  fr: Le logement peut chauffer plus lentement, et la pompe s'arrêter puis repartir.
---
kind: playbook
name: clear-the-drain
healthy_for: 10m
visit: {skill: appliance, duration: 45m}
notice:
  en: Water stays in the drum. Most often the filter behind the small flap needs emptying.
  fr: L'eau reste dans le tambour. Le plus souvent, il suffit de vider le filtre derrière la trappe du bas.
---
kind: rule
name: compressor-overheat
product: heatpump-x
family: cooling
title: {en: Heat pump gets too hot, fr: La pompe à chaleur chauffe trop}
says: {en: gets too hot, fr: chauffe trop}
severity: major
when: compressor_temp > coalesce(max_temp, 95)
for: 5m
hold: 0s
stage: live
playbook: restart-then-ask
---
kind: rule
name: pressure-drift
product: heatpump-x
family: pressure
title: {en: Heating loses water, fr: Le chauffage perd de l'eau}
says: {en: is slowly losing water, fr: perd un peu d'eau}
when: pressure < 1.2
for: 5m
hold: 0s
stage: live
---
kind: rule
name: drain-blocked
product: washer-s
family: drain
title: {en: Washing machine does not drain, fr: Le lave-linge ne se vide plus}
says: {en: does not drain, fr: ne se vide plus}
when: drain_seconds > 180
hold: 0s
stage: live
playbook: clear-the-drain
"""


class Story:
    """Moves a house through a morning."""

    def __init__(self, house: House, channels: Mapping[Channel, ChannelAdapter] | None = None) -> None:
        """Messages leave by `channels`; by default all go to the sandbox."""
        self.house = house
        self._notes = SqlNotes(house.database)
        box = SqlSandbox(house.database, house.clock)
        outbox = SqlOutbox(
            house.database, house.clock, house.signer, house.services.dispatcher, "test", quiet=of_ticket
        )
        sandboxes = {channel: SandboxChannel(channel, box) for channel in Channel}
        self._sender = Sender(outbox, channels or sandboxes, house.clock)

    def fleet(self) -> None:
        """Everybody and everything."""
        self.house.apply(CATALOGUE + "".join(_home(person) for person in PEOPLE))
        with self.house.database.write() as session:
            session.execute(update(Device).values(announced=True, admitted=True))

    def advance(self, **delta: float) -> None:
        """Time passes; what comes due is done, what is ready is sent, minute by minute."""
        end = self.house.clock.now() + timedelta(**delta)
        while self.house.clock.now() < end:
            self.house.clock.advance(seconds=min(60.0, (end - self.house.clock.now()).total_seconds()))
            self.settle()

    def settle(self) -> None:
        """Do what is due now and send what is ready."""
        now = self.house.clock.now()
        with self.house.database.write() as session:
            session.execute(update(Device).values(last_seen=now))
            ids = session.scalars(select(Due.id).where(Due.due_at <= now).order_by(Due.due_at, Due.id)).all()
        for due_id in ids:
            with self.house.database.write() as session:
                pipeline.on_due(session, due_id, now=now)
        while self._sender.step():
            pass

    def readings(self, device_id: str, metric: str, value: Callable[[float], Value], *, hours: float) -> None:
        """The last `hours` of one metric, a reading each minute; `value` of the minutes before now (negative)."""
        now = to_ms(self.house.clock.now())
        stamps = [(minute, now + minute * 60_000) for minute in range(-int(hours * 60), 1)]
        uplinks = [Uplink(device_id, at, (Sample(at, {metric: value(minute)}),)) for minute, at in stamps]
        partition = partition_of(device_id, self.house.services.partitions)
        self.house.log.append({partition: uplinks}, msg_id=f"{device_id}-{metric}-{now}")
        heard = Heard(last_seen=now, values={metric: (now, value(0))})
        self._notes.write({device_id: heard}, [], now=self.house.clock.now())

    def fires(self, device_id: str, rule: str, values: dict[str, Value], *, minutes_ago: float = 6) -> None:
        """A rule fires now; its first bad reading was a while ago."""
        self._transition(device_id, rule, TransitionState.FIRING, values, minutes_ago=minutes_ago)

    def clears(self, device_id: str, rule: str, values: dict[str, Value], *, minutes_ago: float = 60) -> None:
        """Telemetry is healthy now."""
        self._transition(device_id, rule, TransitionState.RESOLVED, values, minutes_ago=minutes_ago)

    def _transition(
        self, device_id: str, rule: str, state: TransitionState, values: dict[str, Value], *, minutes_ago: float
    ) -> None:
        now = self.house.clock.now()
        transition = Transition(
            rule=rule,
            version=1,
            device_id=device_id,
            episode=1,
            state=state,
            at=now,
            onset=now - timedelta(minutes=minutes_ago),
            severity=Severity.MAJOR if rule == "compressor-overheat" else Severity.MINOR,
            received_at=now,
            reason=EndReason.CLEARED if state is TransitionState.RESOLVED else None,
            evidence=values,
        )
        with self.house.database.write() as session:
            pipeline.on_transitions(session, [transition], now=now)
        self.settle()

    def command_answered(self, device_id: str, status: str = "done") -> None:
        """The device does what it was told, and says so."""
        now = self.house.clock.now()
        with self.house.database.write() as session:
            command = session.scalars(select(Command).where(Command.device_id == device_id)).one()
            command.state, command.sent_at = CommandState.SENT, now
        self.advance(seconds=4)
        with self.house.database.write() as session:
            pipeline.on_command_answer(
                session, command.id, status=status, detail="restarted", now=self.house.clock.now()
            )
        self.settle()

    def answers(self, customer_id: str, text: str) -> None:
        """A customer writes back."""
        answer = self.house.client.post("/sandbox/reply", json={"person": customer_id, "channel": "sms", "text": text})
        assert answer.status_code == 202, answer.text
        self.settle()

    def visit(self, visit_id: int, move: str, **said: str) -> None:
        """A technician moves."""
        answer = self.house.client.post(f"/v1/visits/{visit_id}/{move}", json=said)
        assert answer.status_code == 200, answer.text
        self.settle()

    def forget_events(self) -> None:
        """Nothing on the wall."""
        from store.tables import Event

        with self.house.database.write() as session:
            session.execute(delete(Event))


def morning(house: House) -> Story:
    """One trouble at each point: over, on its way, waiting, being tried, needing a person."""
    story = Story(house)
    story.fleet()
    for _, _, _, _, device, product, _ in PEOPLE:
        metric, level = ("drain_seconds", 60.0) if product == "washer-s" else ("compressor_temp", 72.0)
        story.readings(device, metric, _steady(level), hours=4)
    _fixed_from_afar(story)
    _with_a_visit(story)
    _needs_a_person(story)
    story.advance(minutes=14)
    _just_told(story)
    story.fires("hp-bellevue", "compressor-overheat", {"compressor_temp": 99.2, "max_temp": 95.0})
    story.advance(minutes=2)
    story.readings("hp-camille", "compressor_temp", _steady(97.0), hours=0.3)
    story.readings("hp-bellevue", "compressor_temp", _rising(74, 99, since=-20), hours=0.4)
    return story


def _fixed_from_afar(story: Story) -> None:
    story.readings("hp-amina", "compressor_temp", _rising(72, 97, since=-12), hours=3)
    story.fires("hp-amina", "compressor-overheat", {"compressor_temp": 97.4, "max_temp": 95.0})
    story.advance(minutes=1)
    story.command_answered("hp-amina")
    story.advance(minutes=6)
    story.clears("hp-amina", "compressor-overheat", {"compressor_temp": 74.0})
    story.advance(minutes=12)


def _with_a_visit(story: Story) -> None:
    story.fires("hp-camille", "compressor-overheat", {"compressor_temp": 96.3, "max_temp": 90.0})
    story.advance(minutes=1)
    story.command_answered("hp-camille")
    story.advance(minutes=24)
    story.answers("c-camille", "2")
    story.advance(minutes=3)
    story.visit(1, "accept")
    story.readings("hp-camille", "compressor_temp", _rising(72, 98, since=-40), hours=1)
    story.readings("hp-camille", "pressure", _steady(1.6, wave=0.03), hours=1)


def _needs_a_person(story: Story) -> None:
    story.readings("hp-jonas", "pressure", _rising(1.6, 1.12, since=-70), hours=3)
    story.fires("hp-jonas", "pressure-drift", {"pressure": 1.13})
    story.advance(minutes=3)
    story.answers("c-jonas", "It makes a noise again, like water running")


def _just_told(story: Story) -> None:
    story.readings("wm-sophie", "drain_seconds", lambda minute: 60.0 if minute < -9 else 210.0, hours=2)
    story.fires("wm-sophie", "drain-blocked", {"drain_seconds": 214.0})
    story.advance(minutes=1)


def _steady(level: float, *, wave: float = 1.2) -> Callable[[float], float]:
    return lambda minute: round(level + wave * math.sin(minute / 7) + wave / 2 * math.sin(minute / 1.7), 2)


def _rising(start: float, end: float, *, since: float) -> Callable[[float], float]:
    def value(minute: float) -> float:
        share = 0.0 if minute < since else (minute - since) / -since
        ripple = (end - start) * 0.03 * math.sin(minute / 1.3)
        return round(start + (end - start) * share**0.7 + ripple, 2)

    return value


def _home(person: tuple[str, ...]) -> str:
    customer, name, language, phone, device, product, address = person
    zone = "Europe/London" if phone.startswith("+44") else "Europe/Paris"
    lat, lon = (51.456, -0.076) if phone.startswith("+44") else (48.8645, 2.37)
    mail = f"{customer.removeprefix('c-')}@example.net"
    return f"""
---
kind: customer
id: {customer}
name: {name}
language: {language}
phone: "{phone}"
email: {mail}
timezone: {zone}
---
kind: device
id: {device}
product: {product}
customer: {customer}
site: {{address: "{address}", lat: {lat}, lon: {lon}, timezone: {zone}}}
attributes: {{firmware: 1.4.2, model: X1, max_temp: {90 if device == "hp-camille" else 95}}}
"""
