"""Text that people read: nearest names, one-line messages, masked secrets."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

MASK = "***"

# Characters that end a line somewhere, steer a terminal or reverse the reading direction.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JSON_UNSAFE = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_BYTE_SIZED = 0x100

_CONFIDENTIAL = (
    r"authorization|cookie|x-api-key|password|passwd|secret|token|credential"
    r"|api[_-]?keys?|client[_-]?secret|access[_-]?token|routing[_-]?key|webhook[_-]?url"
)
_IS_CONFIDENTIAL = re.compile(_CONFIDENTIAL, re.IGNORECASE)
_SECRETS = (
    # Credentials inside an address; greedy, because a password may hold an "@".
    (re.compile(r"://[^/\s:@]*:[^/\s]+@"), f"://{MASK}@"),
    (re.compile(r"(hooks\.slack\.com/\w+/|\.webhook\.office\.com/)[^\s\"']+"), rf"\1{MASK}"),
    (
        re.compile(r"(?i)\b((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)(?:\w+ +)?[^\s\"',;]+"),
        rf"\1{MASK}",
    ),
    (
        re.compile(
            r"(?i)((?:password|passwd|secret|api[_-]?key|routing[_-]?key|set-cookie|cookie)"
            r"[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&]+"
        ),
        rf"\1{MASK}",
    ),
    # "token: expired" is a sentence; token=… and "token": "…" are values.
    (re.compile(r"(?i)((?:token|\bsig)(?:=|[\"']\s*[:=]\s*[\"']?))[^\s\"',;&]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer\s+)(?=\S*\d)[\w.~+/=-]{8,}"), rf"\1{MASK}"),
    (re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), MASK),
)


def nearest(name: str, allowed: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the member of `allowed` most like `name`, ignoring case; None when none is close."""
    folded = {candidate.casefold(): candidate for candidate in sorted(allowed, reverse=True)}
    found = get_close_matches(name.casefold(), list(folded), n=1, cutoff=cutoff)
    return folded[found[0]] if found else None


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return "; did you mean X?" for the nearest name, or nothing: it ends a sentence."""
    found = nearest(name, allowed)
    return f"; did you mean {found}?" if found else ""


def one_line(text: str) -> str:
    r"""Return `text` on one physical line: line ends and control characters become \n, \x1b, …."""
    return _UNPRINTABLE.sub(_escape, text)


def json_line(document: str) -> str:
    r"""Return a JSON document with every character that could end a line written as \uXXXX."""
    return _JSON_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def mask_secrets(text: str) -> str:
    """Return `text` with passwords, keys, tokens and secret addresses replaced by ***."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def is_secret_name(name: str) -> bool:
    """Tell whether a field or header of this name holds a secret."""
    return _IS_CONFIDENTIAL.search(name) is not None


def _escape(match: re.Match[str]) -> str:
    """Write one unprintable character so that it can be read."""
    code = ord(match[0])
    fallback = f"\\x{code:02x}" if code < _BYTE_SIZED else f"\\u{code:04x}"
    return _SHORT_ESCAPES.get(match[0], fallback)
