"""A Twilio that misbehaves by plan and forgets nothing, as a process: `python -m tests.fakes.chaos_twilio FILE PORT`.

How a number is answered stands in its last two digits, so that a restart changes nothing. What it takes is on disk
before it says a word.
"""

import asyncio
import json
import sqlite3
import sys
from urllib.parse import parse_qs, unquote, urlsplit

HANG_S = 5.0
PLANS = {
    **dict.fromkeys(range(5), ("take and hang",)),
    **dict.fromkeys(range(5, 10), ("take and 500",)),
    **dict.fromkeys(range(10, 15), ("429", "take")),
    **dict.fromkeys(range(15, 18), ("500", "take")),
    **dict.fromkeys(range(18, 20), ("hang", "take")),
    **dict.fromkeys(range(20, 23), ("21211",)),
    **dict.fromkeys(range(23, 25), ("21610",)),
}
"""By the last two digits, how one request after another is answered; the last holds for all that follow."""
ERRORS = {
    "500": (500, 20500, "Internal Server Error"),
    "429": (429, 20429, "Too Many Requests"),
    "21211": (400, 21211, "Invalid 'To' Phone Number"),
    "21610": (400, 21610, "Attempt to send to unsubscribed recipient"),
}


def plan_of(number: str) -> tuple[str, ...]:
    """How requests for `number` are answered."""
    return PLANS.get(int(number[-2:]), ("take",))


class Memory:
    """A file: the requests that came, and the messages that were taken."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS requests (number TEXT)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, number TEXT, sender TEXT, body TEXT)"
        )

    def behaviour(self, number: str) -> str:
        self._db.execute("INSERT INTO requests VALUES (?)", (number,))
        (count,) = self._db.execute("SELECT count(*) FROM requests WHERE number = ?", (number,)).fetchone()
        plan = plan_of(number)
        return plan[min(count, len(plan)) - 1]

    def take(self, number: str, sender: str, body: str) -> dict[str, object]:
        cursor = self._db.execute(
            "INSERT INTO messages (number, sender, body) VALUES (?, ?, ?)", (number, sender, body)
        )
        return _message((cursor.lastrowid, number, sender, body), status="queued")

    def listed(self, number: str) -> list[dict[str, object]]:
        rows = self._db.execute("SELECT * FROM messages WHERE number = ? ORDER BY id DESC", (number,))
        return [_message(row, status="delivered") for row in rows]

    def found(self, sid: str) -> dict[str, object] | None:
        row = self._db.execute("SELECT * FROM messages WHERE id = ?", (int(f"0x{sid[2:]}", 0),)).fetchone()
        return _message(row, status="delivered") if row else None


def _message(row: tuple, *, status: str) -> dict[str, object]:
    number, to, sender, body = row
    return {
        "sid": f"SM{number:032x}",
        "to": to,
        "from": sender,
        "body": body,
        "status": status,
        "error_code": None,
        "num_segments": "1",
    }


async def answer(memory: Memory, method: str, target: str, body: bytes) -> tuple[int, dict[str, object]]:
    parts = urlsplit(target)
    if method == "GET" and parts.path.endswith("/Messages.json"):
        number = parse_qs(parts.query).get("To", [""])[0]
        return 200, {"messages": memory.listed(number), "next_page_uri": None, "uri": target}
    if method == "GET":
        found = memory.found(unquote(parts.path.rpartition("/")[2].removesuffix(".json")))
        return (200, found) if found else (404, {"code": 20404, "message": "not found", "status": 404})
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    behaviour = memory.behaviour(form["To"])
    taken = memory.take(form["To"], form["From"], form["Body"]) if "take" in behaviour else None
    if "hang" in behaviour:
        await asyncio.sleep(HANG_S)
    error = ERRORS.get(behaviour.rpartition(" ")[2])
    if error or taken is None:
        status, code, text = error or ERRORS["500"]
        return status, {"code": code, "message": text, "status": status}
    return 201, taken


async def serve(memory: Memory, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            sizes = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            body = await reader.readexactly(int(sizes[0].split(":")[1]) if sizes else 0)
            status, told = await answer(memory, method, target, body)
            text = json.dumps(told).encode()
            extra = "Retry-After: 1\r\n" if status == 429 else ""
            lines = (
                f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(text)}\r\n\r\n"
            )
            writer.write(lines.encode() + text)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(path: str, port: int) -> None:
    memory = Memory(path)
    server = await asyncio.start_server(lambda reader, writer: serve(memory, reader, writer), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
