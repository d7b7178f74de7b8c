"""How the Python client talks HTTP: retries that never act twice, and typed errors."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx2
import stamina

LONGEST_PAUSE_SECONDS = 10.0

_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
_BUSY = 503

Json = dict[str, Any]


class GpuApiError(Exception):
    """The server refused: `status`, `code`, `detail`, `refusals` and the whole `problem`."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        """Keep the problem document (RFC 9457)."""
        self.status = status
        self.problem = dict(problem)
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail") or f"the server answered {status}")
        self.refusals: list[Json] = list(problem.get("refusals") or ())
        super().__init__(f"{self.code or status}: {self.detail}")


class GpuNotAvailable(GpuApiError):
    """Nothing fits now; `refusals` says what each class of candidates lacked."""


class GpuUnreachable(ConnectionError):
    """Nobody answered, after the retries."""


class Transport:
    """Sends requests to one control plane; safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        attempts: int = 4,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Connect lazily. `attempts` counts the first one; `transport` replaces the network."""
        headers = {"User-Agent": "gpu-client-python", "X-GPU-Envelope": "false"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self.base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._attempts = attempts
        self._http = httpx2.Client(
            base_url=self.base_url,
            headers=headers,
            timeout=httpx2.Timeout(timeout_seconds, connect=min(timeout_seconds, 5.0)),
            transport=transport,
        )

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _list(self, path: str, **query: object) -> list[Json]:
        found: list[Json] = self._call("GET", path, query=query).json()
        return found

    def _object(self, method: str, path: str, **more: Any) -> Json:
        found: Json = self._call(method, path, **more).json()
        return found

    def _call(  # noqa: PLR0913 - what one request is made of
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        once: str | None = None,
        if_match: str | None = None,
        longer_seconds: float = 0.0,
    ) -> httpx2.Response:
        request = self._http.build_request(
            method,
            path,
            params=_given(query or {}),
            json=body,
            headers=_given({"Idempotency-Key": once, "If-Match": if_match}),
            timeout=httpx2.Timeout(self._timeout_seconds + longer_seconds, connect=5.0),
        )
        response = self._sent(request, repeatable=once is not None or method in _REPEATABLE)
        if response.is_success:
            return response
        raise _error(response)

    def _sent(self, request: httpx2.Request, *, repeatable: bool) -> httpx2.Response:
        def pause(error: Exception) -> bool | float:
            return _pause(error, repeatable=repeatable)

        try:
            for attempt in stamina.retry_context(
                on=pause, attempts=self._attempts, timeout=60.0, wait_initial=0.1, wait_jitter=0.2
            ):
                with attempt:
                    return _not_busy(self._http.send(request))
        except _Busy as busy:
            return busy.response
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise GpuUnreachable(f"{request.method} {request.url}: {reason}") from error
        raise AssertionError("the last attempt returns or raises")


class _Busy(Exception):
    """The server asked to come back later."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(f"status {response.status_code}")
        self.response = response


def _not_busy(response: httpx2.Response) -> httpx2.Response:
    if response.status_code == _BUSY:
        raise _Busy(response)
    return response


def _pause(error: Exception, *, repeatable: bool) -> bool | float:
    """Return whether to try again, or the seconds to wait before that."""
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return True  # nothing was sent
    if not repeatable:
        return False
    if isinstance(error, _Busy):
        told = error.response.headers.get("retry-after", "")
        known = told.isascii() and told.isdigit()
        return min(float(told), LONGEST_PAUSE_SECONDS) if known else True
    return isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError | httpx2.WriteError)


def _error(response: httpx2.Response) -> GpuApiError:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": response.text[:200]}
    kind = GpuNotAvailable if problem.get("code") == "GPU_NOT_AVAILABLE" else GpuApiError
    return kind(response.status_code, problem)


def _given(query: Mapping[str, object]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in query.items()
        if value is not None
    }
