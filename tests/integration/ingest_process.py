"""The ingest role as a process that kills itself after a number of appends: run by test_ingest_embedded.py."""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.telemetry import LogEntry, Uplink
from store.database import Database
from store.log_jetstream import JetStreamLog
from tests.ingest_house import IngestHouse


class Deadly:
    """A log that lets its process be killed between its own acknowledgement and the broker's."""

    def __init__(self, log: JetStreamLog, appends: int) -> None:
        self._log, self._left = log, appends

    def append(self, batches: Mapping[int, Sequence[LogEntry]], *, msg_id: str) -> Mapping[int, int]:
        sequences = self._log.append(batches, msg_id=msg_id)
        if any(isinstance(entry, Uplink) for part in batches.values() for entry in part):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return sequences

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def main() -> None:
    """database, NATS URL, MQTT URL, appends to live."""
    path, nats_url, mqtt_url, appends = sys.argv[1:]
    log = JetStreamLog(nats_url)
    with IngestHouse(Database(f"sqlite:///{Path(path)}"), log, mqtt_url, append_to=Deadly(log, int(appends))):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        time.sleep(3600)


if __name__ == "__main__":
    main()
