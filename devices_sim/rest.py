"""The little HTTP that people need: JSON in, JSON out, and a clear word on whether it is worth trying again."""

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import Request, urlopen

TIMEOUT_S = 5.0
MAX_PAGES = 50


class Unreachable(Exception):
    """Nobody answered, or somebody who was about to fall over: try again later."""


class Refused(Exception):
    """The answer is no, and would be no again."""

    def __init__(self, status: int, detail: str) -> None:
        self.status, self.detail = status, detail
        super().__init__(f"{status}: {detail}")


class Api:
    """The product's public surface."""

    def __init__(self, base: str, *, token: str, timeout_s: float = TIMEOUT_S) -> None:
        if not base.startswith(("http://", "https://")):
            raise ValueError(f"{base!r} is no web address; write http://host:port")
        self._base, self._token, self._timeout_s = base.rstrip("/") + "/", token, timeout_s

    def items(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Every item of a paged list."""
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = self._call("GET", f"{path}?{urlencode({**query, **({'cursor': cursor} if cursor else {})})}")
            yield from page.get("items", [])
            cursor = page.get("next")
            if not cursor:
                return

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path)

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str) -> dict[str, Any]:
        """`path` may be a whole link, which opens without our token. `key` marks attempts at one and the same wish."""
        return self._call("POST", path, body=body or {}, headers={"Idempotency-Key": key})

    def _call(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        url = urljoin(self._base, path if "://" in path else path.lstrip("/"))
        request = Request(  # noqa: S310 - the scheme was checked, or the link came from the product itself
            url, method=method, data=None if body is None else json.dumps(body).encode(), headers=dict(headers or {})
        )
        request.add_header("Accept", "application/json")
        request.add_header("Content-Type", "application/json")
        if "://" not in path:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urlopen(request, timeout=self._timeout_s) as response:  # noqa: S310 - as above
                return _object(response.read())
        except HTTPError as exc:
            with exc:
                if exc.code >= 500 or exc.code in {408, 425, 429}:
                    raise Unreachable(f"{method} {path}: {exc.code}") from exc
                raise Refused(exc.code, exc.read(500).decode("utf-8", "replace")) from exc
        except (OSError, HTTPException) as exc:  # refused, reset, timed out, cut off; URLError is an OSError
            raise Unreachable(f"{method} {path}: {exc}") from exc


def _object(content: bytes) -> dict[str, Any]:
    """The JSON object in `content`; a page or nothing counts as an empty one."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
