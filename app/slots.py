"""A number for each of several like processes on one machine, the same again after a restart."""

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class Slot:
    """Held by a file lock, which the system releases however the process ends."""

    number: int
    file: IO[str]

    @classmethod
    def take(cls, folder: Path) -> "Slot":
        """The lowest number that no living process holds."""
        folder.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            file = (folder / f"ingest-{number}.slot").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                number += 1
            else:
                return cls(number, file)

    def release(self) -> None:
        """Let another process have the number."""
        self.file.close()
