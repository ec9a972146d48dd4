"""A client of the HTTP API for Python programs; needs nothing but Python, so this file may be copied into other projects.

    portal = Portal("https://post.kanzlei.example", key)
    portal.send({"to": ["Max Muster <max@kunde.example>"], "subject": "Rechnung", "text": "...", "document_key": "invoice 17"})

What is handed in carries an idempotency key, made here where the caller names none, so that a call whose answer was lost is
repeated without sending twice.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPException
from typing import Any

BATCH = 1_000  # messages of one request
BATCH_OCTETS = 32 * 2**20  # likewise, of JSON
AGAIN = frozenset({429, 502, 503, 504})
LONGEST_PAUSE = 300.0

Document = dict[str, Any]


class PortalError(Exception):
    """The portal could not be reached, or gave no answer of its own, as often as it was tried."""


class Refused(PortalError):
    """The portal said no: `status` of HTTP, `code` for programs, `detail` for people, `document` is all of it."""

    def __init__(self, status: int, document: Document) -> None:
        self.status, self.document = status, document
        self.code, self.detail = str(document.get("code", "")), str(document.get("detail", ""))
        super().__init__(f"{status} {self.code}: {self.detail}")


class Portal:
    """A portal and a key for it. `attempts`: how often a call is tried; `pause`: what waits so many seconds between."""

    def __init__(
        self, url: str, key: str, *, timeout: float = 60.0, attempts: int = 6, pause: Callable[[float], object] = time.sleep
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("the address of a portal begins with https://")
        self.url, self._key = url.rstrip("/"), key
        self.timeout, self.attempts, self.pause = timeout, attempts, pause

    def send(self, message: Mapping[str, Any], *, run: str = "", unattended: bool = False) -> Document:
        """Hand one mail in; the answer has `id` and `status`. Raises Refused, PortalError."""
        return self._document("POST", "messages", {"run": run, "unattended": unattended}, _with_key(message))

    def send_many(self, messages: Iterable[Mapping[str, Any]], *, run: str = "", unattended: bool = False) -> Iterator[Document]:
        """Hand any number in; one answer for each, in their order: `id` null and `error` where it was refused."""
        for chunk in _chunks(_with_key(message) for message in messages):
            yield from self._call("POST", "messages/batch", {}, {"messages": chunk, "run": run, "unattended": unattended})[
                "results"
            ]

    def message(self, number: int) -> Document:
        """One mail and what became of it."""
        return self._document("GET", f"messages/{number}")

    def requeue(self, number: int, *, confirm_unknown: bool = False) -> Document:
        """Reset the send status of a mail that failed; an uncertain one only if it may go out a second time."""
        return self._document("POST", f"messages/{number}/requeue", {"confirm_unknown": confirm_unknown})

    def cancel(self, number: int) -> Document:
        """Withdraw a mail that has not been taken by a worker."""
        return self._document("POST", f"messages/{number}/cancel")

    def jobs(self, *, state: str = "") -> Iterator[Document]:
        """The open mail jobs, newest first."""
        yield from self._pages("jobs", "jobs", {"state": state})

    def log(self, *, outcome: str = "") -> Iterator[Document]:
        """The e-mail log, newest first."""
        yield from self._pages("log", "lines", {"outcome": outcome})

    def log_since(self, cursor: str = "") -> tuple[list[Document], str]:
        """The lines of the log after a cursor, oldest first, and the cursor to ask with next time."""
        page = self._call("GET", "log", {"cursor": cursor, "order": "oldest"})
        return page["lines"], page["next"]

    def explain(self, **case: Any) -> Document:
        """Who would send as whom: `print_model`, `context_sender`, `sender_method`, `unattended`, `user`."""
        return self._document("POST", "explain", None, case)

    def _pages(self, path: str, name: str, query: Mapping[str, str]) -> Iterator[Document]:
        cursor: str | None = ""
        while cursor is not None:
            page = self._call("GET", path, {**query, "cursor": cursor})
            yield from page[name]
            cursor = page["next"]

    def _document(self, *words: Any) -> Document:
        found: Document = self._call(*words)
        return found

    def _call(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None) -> Any:
        words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in (query or {}).items() if value}
        address = f"{self.url}/api/v1/{path}" + (f"?{urllib.parse.urlencode(words)}" if words else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._key}", **({"Content-Type": "application/json"} if data else {})}
        request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310 (http or https, see __init__)
        # A POST without a body changes the state of a mail: where its answer is lost, the mail may be in another state by now.
        repeatable = method == "GET" or data is not None
        for attempt in range(1, self.attempts + 1):
            found = self._try(request, repeatable=repeatable and attempt < self.attempts)
            if not isinstance(found, float):
                return found
            self.pause(min(found or 2.0**attempt, LONGEST_PAUSE))
        raise PortalError(f"{self.url} did not take the call {self.attempts} times")

    def _try(self, request: urllib.request.Request, *, repeatable: bool) -> Any:
        """The answer, or in how many seconds to try again (0.0: not said)."""
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:  # noqa: S310 (the same)
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code in AGAIN:
                    return _seconds(error.headers.get("Retry-After"))
                raise Refused(error.code, _problem(error)) from error
        except (OSError, HTTPException, ValueError) as error:
            if repeatable:
                return 0.0
            raise PortalError(f"{self.url} cannot be reached: {error}") from error


def _with_key(message: Mapping[str, Any]) -> Document:
    return {**message, "idempotency_key": message.get("idempotency_key") or uuid.uuid4().hex}


def _chunks(messages: Iterable[Document]) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    octets = 0
    for message in messages:
        size = len(json.dumps(message))
        if chunk and (len(chunk) == BATCH or octets + size > BATCH_OCTETS):
            yield chunk
            chunk, octets = [], 0
        chunk.append(message)
        octets += size
    if chunk:
        yield chunk


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0


def _problem(error: urllib.error.HTTPError) -> Document:
    try:
        document = json.load(error)
    except (OSError, HTTPException, ValueError):
        return {"detail": error.reason}
    return document if isinstance(document, dict) else {"detail": str(document)}
