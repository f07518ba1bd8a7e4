"""The product as anybody outside sees it: REST over HTTP, for the demo and the command line."""

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from domain.errors import PrevenantError

TIMEOUT_S = 10.0


class Unreachable(PrevenantError):
    """No answer, or one that is no success."""


class Surface:
    """Speaks to one service with a bearer token."""

    def __init__(self, url: str, *, token: str) -> None:
        self.url, self.token = url.rstrip("/"), token

    def get(self, path: str, **query: str | int) -> Any:
        """JSON of a GET."""
        return self._call(Request(self._address(path, query)))  # noqa: S310 - our own service

    def items(self, path: str, **query: str | int) -> list[Any]:
        """All items of a list, page after page."""
        found: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(path, **query, limit=200, **({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next"]
        return found

    def _address(self, path: str, query: dict[str, Any]) -> str:
        return f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")

    def _call(self, request: Request) -> Any:
        request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - our own service
                return json.load(answer)
        except HTTPError as exc:
            raise Unreachable(f"{request.full_url}: {exc.code} {exc.read(500).decode(errors='replace')}") from exc
        except (URLError, OSError) as exc:
            raise Unreachable(f"{request.full_url}: {exc}") from exc
