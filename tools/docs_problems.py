"""Makes docs/reference/problems.md from the kinds of problems the code declares."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from gpu_management.core.http import ALWAYS
from gpu_management.core.problems import Problem, type_uri
from tools.docs_product import MADE, REFERENCE, facts

PAGE = REFERENCE / "problems.md"
_ANYWHERE: Final = {kind.code for kind in ALWAYS}
_MANY: Final = 8
_INTRO: Final = """\
An error is `application/problem+json` (RFC 9457). Its `code` never changes and is what programs
compare; `detail` is one sentence for people, with the numbers that matter.

```json
{"type": "/problems/gpu-not-available", "title": "No GPU fits this request now", "status": 409,
 "detail": "needs 64 whole GPUs on one node; 228 GPUs on nodes with too few free GPUs (most 8)",
 "instance": "/api/v1/gpu/allocations", "code": "GPU_NOT_AVAILABLE", "message": "as detail",
 "timestamp": "2026-03-02T12:00:00.000Z", "path": "/api/v1/gpu/allocations",
 "requestId": "8f14e45fceea167a5a36dedd4bea2543", "errors": [], "data": []}
```

- `errors` names each field that cannot be accepted: `field`, `rule`, `message`, `rejectedValue`,
  and `params`, the numbers of the rule.
- Some kinds carry facts of their own, such as `refusals` of a request that fits nowhere.
- `data` is always empty, so that scripts that read `data[0].id` without looking at the status fail.
- The status says what must change: the request (4xx), the moment (409, 429, 503: see
  `Retry-After`), or us (500, to be reported with its `requestId`).
- `GET /problems` of a running server shows the same list."""


def page() -> str:
    """Return the text of the page."""
    lines = ["# Problems", "", MADE, "", _INTRO, ""]
    lines += ["| Code | Status | When | Answered by |", "| --- | --- | --- | --- |"]
    answered = _answered_by()
    by_code: dict[tuple[int, str], list[type[Problem]]] = {}
    for kind in kinds():
        by_code.setdefault((kind.status, kind.code), []).append(kind)
    for (status, code), same in sorted(by_code.items()):
        anchor = type_uri(same[0]).removeprefix("/problems/")
        when = "<br>".join(sorted(f"{kind.title}: {_meaning(kind)}" for kind in same))
        where = _where(code, answered.get(code, []))
        lines.append(f'| <a id="{anchor}"></a>`{code}` | {status} | {when} | {where} |')
    return "\n".join(lines) + "\n"


def kinds() -> list[type[Problem]]:
    """Return every kind that the product defines; several may share a code."""
    facts()  # imports the whole product
    found, waiting = [], [Problem]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("gpu_management."):
            found.append(kind)
    return found


def _meaning(kind: type[Problem]) -> str:
    if kind is Problem:
        return "a bug; report it with the `requestId`"
    sentence = (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _where(code: str, operations: list[str]) -> str:
    if code in _ANYWHERE:
        return "any operation"
    if len(operations) > _MANY:
        return f"{len(operations)} operations that name one thing"
    return ", ".join(operations) or "any operation, before or beside what it does"


def _answered_by() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for operation, description in _declared():
        for code in re.findall(r"\(`([A-Z_]+)`\)", description):
            found[code].append(f"`{operation}`")
    return {code: list(dict.fromkeys(operations)) for code, operations in found.items()}


def _declared() -> Iterator[tuple[str, str]]:
    for methods in facts().openapi["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                yield operation["operationId"], response["description"]
