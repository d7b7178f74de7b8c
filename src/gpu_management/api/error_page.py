"""What a browser shows that was led to an address which answers with an error (UI-03)."""

from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from gpu_management.core.messages import page_words

_templates: Final = Environment(
    loader=PackageLoader("gpu_management.api"), autoescape=select_autoescape(), trim_blocks=True
)


def wants_page(request: Request) -> bool:
    """Tell whether a person navigates here: browsers name HTML first, programs never do."""
    first = request.headers.get("accept", "").partition(",")[0].partition(";")[0]
    return request.method == "GET" and first.strip().lower() == "text/html"


def error_page(request: Request, body: dict[str, Any], language: str) -> Response:
    """Return the problem document `body` as a page in `language`, with its status."""
    html = _templates.get_template("error.html").render(
        root=request.scope.get("root_path", ""),
        language=language,
        words=page_words(int(body["status"]), language),
        problem=body,
    )
    return HTMLResponse(html, status_code=body["status"], headers={"Cache-Control": "no-store"})
