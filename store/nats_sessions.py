"""Order over a reconnection on the embedded broker: its MQTT sessions begin again where they were not acknowledged.

The broker keeps a session's messages in JetStream. After a reconnection it sends what is new at once, and what had
been sent but not acknowledged only when `ack_wait` is over: a reading would overtake an older one, which then counts
as late. Rewinding the session's consumers before connecting puts everything back in order.
"""

import time
from hashlib import sha256

from nats.js.errors import NotFoundError

from store.log_jetstream import JetStreamLog

_STREAM = "$MQTT_msgs"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAGE = 256
_PATIENCE_S = 2.0


class NatsMqttSessions:
    """Implements `ingest.ledger.Sessions`. With any other broker there is nothing to rewind, and it says so at once."""

    def __init__(self, log: JetStreamLog) -> None:
        self._log = log

    def rewind(self, client_id: str) -> bool:
        """False while a client is still connected under that session. Raises LogUnavailable."""
        prefix = f"{session_hash(client_id)}_"
        deadline = time.monotonic() + _PATIENCE_S
        while not self._log.call(lambda: self._rewind(prefix)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)  # our last connection may be over for us, and not yet for the broker
        return True

    async def _rewind(self, prefix: str) -> bool:
        js = self._log.js
        offset = 0
        names: list[str] = []
        while True:
            try:
                found = await js.consumers_info(_STREAM, offset)
            except NotFoundError:
                return True  # nobody has ever spoken MQTT to this server
            for info in found:
                if info.name.startswith(prefix):
                    if info.push_bound:
                        return False
                    names.append(info.name)
            offset += len(found)
            if len(found) < _PAGE:
                break
        for name in names:
            await js.reset_consumer(_STREAM, name)
        return True


def session_hash(client_id: str) -> str:
    """How the server names a session's consumers: eight base-62 digits of SHA-256 (nats-server, getHash)."""
    return "".join(_DIGITS[byte % 62] for byte in sha256(client_id.encode()).digest()[:8])
