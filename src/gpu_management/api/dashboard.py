"""The built dashboard: its page with a nonce, its assets with hashes, and where both answer."""

import mimetypes
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from gpu_management.core.problems import NotFound

BUILT: Final = Path(__file__).with_name("dashboard")
"""Where `make frontend` puts it, and where the wheel brings it."""

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_UNHASHED: Final = frozenset({"boot.js", "logo.svg"})
_SERVER: Final = frozenset({"api", "actuator", "assets", "ui", "metrics", "allocation", "model"})
"""First parts of paths that the server answers by itself; `/allocations` is a page."""
_TYPES: Final = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}


def page_policy(nonce: str) -> str:
    """Return the page's Content-Security-Policy: nothing inline but style elements with the nonce.

    Scripts come from files only. The component library makes style elements at run time; those
    carry the nonce, which is another one for every page that is sent.
    """
    return (
        "default-src 'none'; script-src 'self'; "
        f"style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'self'; "
        "frame-ancestors 'none'"
    )


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the dashboard, ready to send; `packed` is the same, compressed at build time."""

    body: bytes
    media_type: str
    packed: bytes | None
    cached: str


class Dashboard:
    """The built dashboard in memory: a few megabytes that every visitor asks for."""

    def __init__(self, folder: Path) -> None:
        """Read the page and the assets of `folder`."""
        self._page = (folder / "index.html").read_text("utf-8")
        self._assets = {
            file.name: _read(file)
            for file in (folder / "ui").iterdir()
            if file.suffix != ".gz" and file.is_file()
        }

    def page(self, root: str) -> Response:
        """Return the page for a server under the path `root`."""
        nonce = secrets.token_urlsafe(16)
        html = self._page.replace('<base href="/" />', f'<base href="{root}/" />')
        html = html.replace('nonce=""', f'nonce="{nonce}"')
        headers = {"Content-Security-Policy": page_policy(nonce), "Cache-Control": "no-store"}
        return HTMLResponse(html, headers=headers)

    def asset(self, name: str, accepted: str) -> Response:
        """Return a file by its name.

        Raises:
            NotFound: there is no such file; an old page may ask for it after an update.
        """
        found = self._assets.get(name)
        if found is None:
            raise NotFound(f"the dashboard has no file {name[:80]}; load the page again")
        headers = {"Cache-Control": found.cached, "Vary": "Accept-Encoding"}
        body = found.body
        if found.packed is not None and "gzip" in accepted:
            body, headers["Content-Encoding"] = found.packed, "gzip"
        return Response(body, media_type=found.media_type, headers=headers)


def _read(file: Path) -> Asset:
    packed = file.with_name(file.name + ".gz")
    guessed = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
    return Asset(
        file.read_bytes(),
        guessed or "application/octet-stream",
        packed.read_bytes() if packed.is_file() else None,
        "no-cache" if file.name in _UNHASHED else _FOR_EVER,
    )


def built(folder: Path = BUILT) -> Dashboard | None:
    """Return the dashboard; None where it was not built."""
    return Dashboard(folder) if (folder / "index.html").is_file() else None


class _PageRoute(Route):
    """Answers page addresses for browsers; everything else is as if it were not there."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a browser's GET outside the paths of the server."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return Match.NONE, {}
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        accepted = next((v for k, v in scope["headers"] if k == b"accept"), b"")
        if b"text/html" not in accepted or path.split("/", 2)[1] in _SERVER:
            return Match.NONE, {}
        return super().matches(scope)


def mount_dashboard(app: FastAPI, dashboard: Dashboard) -> None:
    """Serve `dashboard`: assets under /ui, and the page wherever a browser asks for one."""

    def asset(request: Request) -> Response:
        name = str(request.path_params["name"])
        return dashboard.asset(name, request.headers.get("accept-encoding", ""))

    def page(request: Request) -> Response:
        return dashboard.page(request.scope.get("root_path", ""))

    app.add_route("/ui/{name}", asset, include_in_schema=False)
    app.router.routes.append(_PageRoute("/{page:path}", page, include_in_schema=False))


class Gzip(GZipMiddleware):
    """Compresses answers, except those of the dashboard: they are packed at build time."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass assets on as they are."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if path.startswith("/ui/"):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
