"""The rules role: reading log in, transitions with all that follows from them out."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import rules.engine
from app.house import House, Part
from app.ledger import SqlLedger
from app.peering import Surveyor
from domain.errors import LogUnavailable
from rules.worker import Pace, Worker

GATHER_S = 0.1
"""A tenth of a second later for the second of two faults, for a tenth of the work when there are hundreds."""


def build(house: House) -> Part:
    log = house.log()
    ledger = SqlLedger(house.database, house.clock, partitions=house.settings.partitions, owner=house.instance)
    pace = Pace(snapshot_s=house.settings.snapshot_every_s, wait_s=0.05, gather_s=GATHER_S)
    surveyor = Surveyor(house.database, house.clock)
    worker = Worker(rules.engine, log=log, ledger=ledger, owner=house.instance, pace=pace, survey=surveyor.look)

    known: dict[int, int] = {}

    def ends(positions: Mapping[int, int]) -> Mapping[int, int]:
        """Newest sequence of each partition: the last one known while the log does not answer."""
        with suppress(LogUnavailable):  # the worker meets the same outage, and says so
            known.update({p: log.end(p) for p in positions} if log.connected else {})
        return {p: known[p] for p in positions if p in known}

    def probe() -> Mapping[str, Any]:
        outages = worker.outages()
        positions = worker.positions()
        return {
            "trouble": f"{' and '.join(outages)} unavailable; waiting" if outages else None,
            "ready": bool(positions),
            "positions": positions,
            "ends": ends(positions),
            "samples": worker.counts.samples,
            "transitions": worker.counts.transitions,
            "skipped_entries": worker.counts.skipped,
        }

    def run(stop: threading.Event) -> None:
        worker.run(stop)
        ledger.release()
        log.close()

    return Part(run, probe)
