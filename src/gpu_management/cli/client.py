"""The HTTP client behind every command: it asks for the envelope and retries what is safe."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
import stamina

from gpu_management import __version__
from gpu_management.cli.errors import CliError, Denied, Refused, Unreachable

ATTEMPTS = 4
LONGEST_PAUSE_SECONDS = 5.0
PAGE_ROWS = 1000
"""The largest page the server gives."""
SAFE_METHODS = frozenset({"GET", "PUT", "DELETE"})
_UNKNOWN_CALLER = frozenset({401, 403})
_UNAVAILABLE = 503

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the content of `data`, what is said about it, and a warning if any."""

    data: Any
    total: int | None = None
    next_cursor: str | None = None
    warning: str | None = None
    etag: str | None = None


class _Busy(Exception):
    """The server asked to come back later."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(f"status {response.status_code}")
        self.response = response


# Retries would be logged to standard output, which belongs to the answer.
stamina.instrumentation.set_on_retry_hooks(())


class ApiClient:
    """Talks to one control plane."""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Connect lazily; `transport` replaces the network."""
        headers = {"User-Agent": f"gpuctl/{__version__}", "X-GPU-Envelope": "true"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self.base_url = base_url.rstrip("/")
        try:
            self._http = httpx2.Client(
                base_url=self.base_url,
                headers=headers,
                timeout=httpx2.Timeout(timeout_seconds, connect=min(timeout_seconds, 5.0)),
                transport=transport,
            )
        except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
            raise Unreachable(f"{base_url} is not an address: {error}") from error

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def get(self, path: str, **query: object) -> Answer:
        """Read something; query values that are None are left out."""
        return self.call("GET", path, query=query)

    def rows(self, path: str, *, limit: int | None = None, **query: object) -> Answer:
        """Read a list: all of it, or its first `limit` rows, over as many pages as it takes."""
        if limit is None:
            return self.get(path, **query)
        rows: list[Row] = []
        cursor: str | None = None
        while True:
            size = min(limit - len(rows), PAGE_ROWS)
            page = self.get(path, limit=size, cursor=cursor, **query)
            rows += page.data
            cursor = page.next_cursor
            if cursor is None or len(rows) >= limit:
                return Answer(rows, page.total, cursor)

    def text(self, path: str, **query: object) -> str:
        """Read something that is not JSON, such as a page to print or a table as CSV.

        Raises:
            Refused: the server answered with a problem; Denied for 401 and 403.
            Unreachable: nobody answered.
        """
        request = self._http.build_request("GET", path, params=_given(query))
        response = self._sent(request, repeatable=True)
        if not response.is_success:
            _answer(response)
        return response.text

    def call(  # noqa: PLR0913 - what one request is made of
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        once: str | None = None,
        if_match: str | None = None,
        seconds: float | None = None,
    ) -> Answer:
        """Send one request and return its answer.

        `once` is an Idempotency-Key: with it a POST may be repeated safely. `if_match` is the ETag
        of the copy that was changed: the server refuses when it is no longer the newest. `seconds`
        is how much longer than usual the server may take.

        Raises:
            Refused: the server answered with a problem; Denied for 401 and 403.
            Unreachable: nobody answered.
        """
        headers = {"Idempotency-Key": once} if once else {}
        if if_match:
            headers["If-Match"] = if_match
        request = self._http.build_request(
            method, path, params=_given(query or {}), json=body, headers=headers
        )
        if seconds is not None:
            request.extensions["timeout"] = httpx2.Timeout(seconds + 15.0).as_dict()
        repeatable = once is not None or method in SAFE_METHODS
        return _answer(self._sent(request, repeatable=repeatable))

    @contextmanager
    def events(self, path: str, *, last_event_id: str | None, **query: object) -> Iterator[Any]:
        """Open a stream of server-sent events."""
        headers = {"Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        waiting = httpx2.Timeout(60.0, connect=5.0)
        try:
            with self._http.stream(
                "GET", path, params=_given(query), headers=headers, timeout=waiting
            ) as response:
                if not response.is_success:
                    response.read()
                    _answer(response)
                yield httpx2.EventSource(response)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    def _sent(self, request: httpx2.Request, *, repeatable: bool) -> httpx2.Response:
        def pause(error: Exception) -> bool | float:
            if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
                return True
            if isinstance(error, _Busy) and repeatable:
                return _asked_pause(error.response)
            return repeatable and isinstance(
                error, httpx2.RemoteProtocolError | httpx2.ReadError | httpx2.WriteError
            )

        try:
            for attempt in stamina.retry_context(
                on=pause, attempts=ATTEMPTS, timeout=20.0, wait_initial=0.1, wait_jitter=0.1
            ):
                with attempt:
                    return _not_busy(self._http.send(request))
        except _Busy as busy:
            return busy.response
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, httpx2.TimeoutException):
            return Unreachable(f"{self.base_url} did not answer in time")
        reason = str(error) or type(error).__name__
        return Unreachable(f"cannot reach {self.base_url}: {reason}")


def new_key() -> str:
    """Return an Idempotency-Key that nobody used before."""
    return f"gpuctl-{uuid4()}"


def segment(name: str) -> str:
    """Return `name` fit for one segment of a path."""
    return quote(name, safe="")


def _given(query: Mapping[str, object]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in query.items()
        if value is not None
    }


def _not_busy(response: httpx2.Response) -> httpx2.Response:
    if response.status_code == _UNAVAILABLE:
        raise _Busy(response)
    return response


def _asked_pause(response: httpx2.Response) -> bool | float:
    """Return the seconds that Retry-After names; True leaves the pause to the backoff."""
    told = response.headers.get("retry-after", "")
    return min(float(told), LONGEST_PAUSE_SECONDS) if told.isascii() and told.isdigit() else True


def _answer(response: httpx2.Response) -> Answer:
    if response.is_success:
        return _content(response)
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict) or "detail" not in problem:
        said = response.text.strip()[:200]
        problem = {
            "title": response.reason_phrase,
            "detail": f"{response.url}: {said}".rstrip(": "),
        }
    kind = Denied if response.status_code in _UNKNOWN_CALLER else Refused
    raise kind(response.status_code, problem)


def _content(response: httpx2.Response) -> Answer:
    warning, etag = response.headers.get("x-gpu-warning"), response.headers.get("etag")
    if not response.content:
        return Answer(None, warning=warning)
    try:
        body = response.json()
    except ValueError as error:
        raise CliError(f"{response.url} did not answer with JSON: is it our API?") from error
    if not isinstance(body, dict) or "data" not in body:
        return Answer(body, warning=warning, etag=etag)
    meta = body.get("meta") or {}
    return Answer(body["data"], meta.get("total"), meta.get("nextCursor"), warning, etag)
