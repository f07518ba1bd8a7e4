"""Every error Prevenant raises on purpose, as one tree.

PrevenantError
├── ConfigError            a setting is missing or wrong
│   └── TooLargeForLog     the log's server takes no message as large as this one needs
├── SourceError            a manifest, rule or recording is wrong: carries file, line, key and the cure
├── NotFound               no such device, ticket, visit …
├── Conflict               the thing is there, but not in a state that allows this
│   ├── IllegalTransition  carries the legal moves
│   └── AlreadyExists
├── Forbidden              a link or token that does not open this door
├── LogUnavailable         the reading log cannot be reached or refuses; what was offered is still the caller's
├── StoreUnavailable       the database cannot be reached or stays locked
├── HistoryUnavailable     the telemetry history cannot be read or written
├── LeaseLost              another worker has taken over; nothing was committed
└── DeliveryError          a channel did not take a message: carries the refusal and what may be done next
"""

from collections.abc import Sequence

from domain.messages import Refusal, Retry


class PrevenantError(Exception):
    """Root of all errors raised on purpose."""


class ConfigError(PrevenantError):
    """A setting is missing or wrong."""


class TooLargeForLog(ConfigError):
    """What was offered can never be kept, however often it is offered; nothing of it was added. `item` is the entry."""

    def __init__(self, item: object, *, size: int, limit: int) -> None:
        self.item, self.size, self.limit = item, size, limit
        super().__init__(f"a log entry of {size} bytes does not fit the log's limit of {limit}")


class SourceError(PrevenantError):
    """A file a person wrote is wrong. `problem` says what; `cure` says what would be right."""

    def __init__(
        self, problem: str, *, cure: str = "", file: str = "", line: int = 0, column: int = 0, key: str = ""
    ) -> None:
        self.problem, self.cure, self.file, self.line, self.column, self.key = problem, cure, file, line, column, key
        super().__init__(str(self))

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        head = ": ".join(part for part in (place, self.key, self.problem) if part)
        return f"{head}; {self.cure}" if self.cure else head


class NotFound(PrevenantError):
    """No such thing."""

    def __init__(self, kind: str, key: object) -> None:
        self.kind, self.key = kind, key
        super().__init__(f"no {kind} {key!r}")


class Conflict(PrevenantError):
    """The thing is there, but not in a state that allows this."""


class IllegalTransition(Conflict):
    """A move that the lifecycle table does not hold. `legal` lists those it does."""

    def __init__(self, what: str, *, now: str, wanted: str, legal: Sequence[str]) -> None:
        self.now, self.wanted, self.legal = now, wanted, tuple(legal)
        moves = ", ".join(legal) or "none"
        super().__init__(f"{what} is {now} and cannot become {wanted}; legal from here: {moves}")


class AlreadyExists(Conflict):
    """A thing with that key exists."""


class Forbidden(PrevenantError):
    """A link or token that does not open this door."""


class LogUnavailable(PrevenantError):
    """The reading log cannot be reached, or refuses because it is full."""


class StoreUnavailable(PrevenantError):
    """The database cannot be reached, or stays locked beyond its busy timeout."""


class HistoryUnavailable(PrevenantError):
    """The telemetry history cannot be read or written; what was offered is still the caller's."""


class LeaseLost(PrevenantError):
    """Another worker holds the lease now; nothing of ours was committed."""


class DeliveryError(PrevenantError):
    """A channel did not take a message."""

    def __init__(
        self, refusal: Refusal, *, retry: Retry, detail: str = "", code: str = "", retry_after_s: float | None = None
    ) -> None:
        self.refusal, self.retry, self.detail, self.code, self.retry_after_s = (
            refusal,
            retry,
            detail,
            code,
            retry_after_s,
        )
        super().__init__(f"{refusal}: {detail}" if detail else str(refusal))
