"""The shape of a key: 256 random bits, known to us by their SHA-256. Pure but for the dice."""

import hashlib
import hmac
import secrets

MARK = "gpum_"
"""Lets people and secret scanners see what kind of secret this is."""

_SHOWN = len(MARK) + 6
_RANDOM_BYTES = 32


def new_key() -> str:
    """Return a key nobody can guess."""
    return MARK + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(key: str) -> str:
    """Return the SHA-256 of `key` in hex; enough for 256 random bits, unlike for a password."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def shown_prefix(key: str) -> str:
    """Return the part of `key` that lists show: 36 of its 256 bits."""
    return key[:_SHOWN]


def same(one: str, other: str | None) -> bool:
    """Compare two digests in a time that tells nothing about them."""
    return other is not None and hmac.compare_digest(one, other)
