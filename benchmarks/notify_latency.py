"""From a reading's publication until the provider has accepted the message about it, through everything on the way.

A real `prevenant serve` (all roles as processes, embedded broker and log, SQLite or with `--postgres` PostgreSQL), one
rule without `hold`, and readings that are each a fault of another device. The floor is the same way without us: a bare
MQTT subscriber which hands each reading to Twilio's SDK, on the same broker, at the same rate, to the same provider.

Usage: python -m benchmarks.notify_latency [--seconds 60] [--rate 200] [--postgres]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC
from pathlib import Path

import psutil
from sqlalchemy import func, select

from app.installation import prepare
from app.settings import Settings
from benchmarks.workload import homes
from benchmarks.workload.crowd import connected, publish
from benchmarks.workload.provider import Provider, provider
from domain.outbox import Content
from notify.channels.twilio_sms import TwilioAccount, TwilioSms
from store.database import Database
from store.tables import ControlEntry, Fault, Message, MessageAttempt, PartitionLease, Ticket
from tests.fakes.postgres import postgres
from tests.story.service import Service, running_service

P50_S, P99_S = 0.5, 2.0
WARM_UP_S, FLOOR_S, DRAIN_S, SETTLE_S = 5.0, 8.0, 20.0, 60.0
SID, TOKEN, SENDER = "AC" + "0" * 32, "secret", "+33612345678"


def main(seconds: float, rate: float, *, on_postgres: bool = False) -> int:
    """Print the figures; exit code 1 where one is beyond what the issue allows, or a message is missing or doubled."""
    warm, hot = range(int(WARM_UP_S * rate)), range(int(WARM_UP_S * rate), int((WARM_UP_S + seconds) * rate))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        url = stack.enter_context(postgres() if on_postgres else nullcontext(f"sqlite:///{folder / 'bench.db'}"))
        taker = stack.enter_context(provider())
        database = _furnish(url, hot.stop)
        stack.callback(database.close)
        service = stack.enter_context(_service(folder, url, taker))
        mqtt_url = f"mqtt://127.0.0.1:{service.mqtt_port}"
        _settle(database)
        with connected(mqtt_url, "crowd") as crowd:
            publish(crowd, warm, rate=rate)
            with _cpu(service, taker) as cpu:
                published = publish(crowd, hot, rate=rate)
                accepted = _accepted(taker, hot)
            floor = _floor(mqtt_url, crowd, taker, range(int(min(seconds, FLOOR_S) * rate)), rate=rate)
        stages = _stages(database, published, accepted)
    took = [accepted[number][0] - at for number, at in published.items() if number in accepted]
    doubled = sum(len(times) > 1 for times in accepted.values())
    _tell(took, floor, stages, cpu, published=published, doubled=doubled)
    fine = not doubled and len(took) == len(published) and _percentile(took, 50) < P50_S
    return int(not (fine and _percentile(took, 99) < P99_S))


def _furnish(url: str, count: int) -> Database:
    with tempfile.TemporaryDirectory() as folder:
        prepare(Settings(_env_file=None, database_url=url, data_dir=Path(folder)))
    database = Database(url)
    with database.write() as session:
        homes.register(session, count)
    return database


@contextmanager
def _service(folder: Path, url: str, taker: Provider) -> Iterator[Service]:
    twilio = {"twilio_account_sid": SID, "twilio_auth_token": TOKEN, "twilio_from": SENDER}
    with running_service(
        folder, database_url=url, twilio_base_url=taker.url, log_level="warning", no_env_file="1", **twilio
    ) as service:
        yield service


def _settle(database: Database) -> None:
    """Until every engine knows every device."""
    deadline = time.monotonic() + SETTLE_S
    waiting = select(func.count(ControlEntry.id)).where(ControlEntry.published.is_(None))
    behind = True
    while behind:
        assert time.monotonic() < deadline, "the engines do not take the devices in"
        time.sleep(0.5)
        with database.read() as session:
            behind = bool(session.scalar(waiting)) or session.scalar(select(func.min(PartitionLease.position))) == 0


def _accepted(taker: Provider, hot: range) -> dict[int, list[float]]:
    """By number: when the provider took a message to it, once all have come or no more do."""
    deadline = time.monotonic() + DRAIN_S
    numbers = {homes.phone_of(number): number for number in hot}
    while True:
        accepted: dict[int, list[float]] = {}
        for phone, at in taker.taken():
            if phone in numbers:
                accepted.setdefault(numbers[phone], []).append(at)
        if len(accepted) == len(hot) or time.monotonic() > deadline:
            time.sleep(1.0)  # for any that comes twice
            return accepted
        time.sleep(0.5)


def _floor(mqtt_url: str, crowd: object, taker: Provider, numbers: range, *, rate: float) -> list[float]:
    """Seconds from publication to acceptance where nothing lies between; the readings are healthy ones."""
    before = len(taker.taken())
    sms = TwilioSms(TwilioAccount(SID, TOKEN, SENDER, taker.url))
    with ThreadPoolExecutor(4) as pool:
        text = Content(subject="", text="Hello from Thermia: your pump gets too hot.", html="")
        with connected(mqtt_url, "floor", lambda device: pool.submit(sms.send, f"+{device}", text, reference="")):
            published = publish(crowd, numbers, rate=rate, celsius=homes.FINE)  # type: ignore[arg-type]
            time.sleep(1.0)
    sms.close()
    arrived = dict(taker.taken()[before:])
    return [
        arrived[f"+{homes.device_of(n)}"] - at for n, at in published.items() if f"+{homes.device_of(n)}" in arrived
    ]


def _stages(
    database: Database, published: Mapping[int, float], accepted: Mapping[int, Sequence[float]]
) -> dict[str, list[float]]:
    """Where the time went, by what our own rows say."""
    query = (
        select(Fault.device_id, Fault.received_at, Fault.detected_at, func.min(MessageAttempt.at))
        .join(Ticket, Ticket.id == Fault.ticket_id)
        .join(Message, Message.ticket_id == Ticket.id)
        .join(MessageAttempt, MessageAttempt.message_id == Message.id)
        .group_by(Fault.device_id, Fault.received_at, Fault.detected_at)
    )
    numbers = {homes.device_of(number): number for number in published}
    stages: dict[str, list[float]] = {}
    with database.read() as session:
        for device_id, received, detected, submitting in session.execute(query):
            number = numbers.get(device_id)
            if number is not None and number in accepted:
                moments = (received, detected, submitting.replace(tzinfo=submitting.tzinfo or UTC))
                times = [published[number], *(each.timestamp() for each in moments), accepted[number][0]]
                for name, start, end in zip(STAGES, times, times[1:], strict=False):
                    stages.setdefault(name, []).append(end - start)
    return stages


STAGES = ("published → received", "→ committed", "→ claimed", "→ accepted")


@contextmanager
def _cpu(service: Service, taker: Provider) -> Iterator[dict[str, float]]:
    """By process: the seconds of CPU that it used meanwhile."""
    pids = {row["role"]: int(row["pid"]) for row in service.status()["roles"]} | {"provider": taker.pid, "crowd": 0}
    pids["nats"] = int((service.folder / "data" / "nats" / "nats-server.pid").read_text())
    processes = {name: psutil.Process(pid or None) for name, pid in pids.items()}
    before = {name: _used(process) for name, process in processes.items()}
    used: dict[str, float] = {}
    yield used
    used.update({name: _used(process) - before[name] for name, process in processes.items()})


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _tell(
    took: Sequence[float],
    floor: Sequence[float],
    stages: Mapping[str, Sequence[float]],
    cpu: Mapping[str, float],
    *,
    published: Mapping[int, float],
    doubled: int,
) -> None:
    count = len(published)
    rate = count / max(max(published.values()) - min(published.values()), 1e-9)
    print(f"{count} faults at {rate:.0f} a second: {count - len(took)} without a message, {doubled} with two")
    print(f"{'':24}{'p50':>9}{'p99':>9}{'max':>9}  (seconds)")
    for name, times in {"published → accepted": took, **stages, "floor": floor}.items():
        figures = (_percentile(times, 50), _percentile(times, 99), max(times, default=0.0))
        print(f"{name:24}" + "".join(f"{figure:9.3f}" for figure in figures))
    ratio = _percentile(took, 50) / max(_percentile(floor, 50), 1e-9)
    print(f"p50 is {ratio:.0f} times the floor's, a bare MQTT subscriber that calls the provider")
    print("CPU, ms a fault: " + ", ".join(f"{name} {used / count * 1000:.1f}" for name, used in sorted(cpu.items())))


def _percentile(times: Sequence[float], percent: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)] if times else float("nan")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--postgres", action="store_true")
    asked = parser.parse_args()
    sys.exit(main(asked.seconds, asked.rate, on_postgres=asked.postgres))
