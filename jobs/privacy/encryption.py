"""Encryption of one JSON value at a time: `{"$encrypted": "…"}` takes its place in the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jobs.conf import settings
from jobs.exceptions import EncryptionUnavailable, Undecryptable

ENCRYPTED = "$encrypted"
"""The key that marks an encrypted value; it is alone in its object."""

NO_LIBRARY = "the package cryptography is not installed: install jobsite[encryption]"
NO_KEYS = "JOBS_ENCRYPTION_KEYS has no key"

_compact = json.JSONEncoder(separators=(",", ":")).encode


def is_sealed(value: Any) -> bool:
    """Whether this is an encrypted value."""
    return isinstance(value, dict) and len(value) == 1 and ENCRYPTED in value


def seal(value: Any) -> dict[str, str]:
    """Encrypt a JSON value with the first key. Raises EncryptionUnavailable."""
    return {ENCRYPTED: str(_cipher().encrypt(_compact(value).encode()).decode())}


def unseal(sealed: Mapping[str, Any]) -> Any:
    """The JSON value that was encrypted, with whichever of the keys.

    Raises Undecryptable, which tells nothing of the value.
    """
    try:
        cipher = _cipher()
    except EncryptionUnavailable as error:
        raise Undecryptable(str(error)) from None
    return json.loads(_decrypted(cipher, sealed[ENCRYPTED]))


def resealed(sealed: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same value encrypted with the first key; itself where it is already.

    Raises Undecryptable.
    """
    try:
        _decrypted(_cipher_of(settings.ENCRYPTION_KEYS[:1]), sealed[ENCRYPTED])
    except Undecryptable:
        return seal(unseal(sealed))
    return sealed


def unavailable() -> str:
    """Why nothing can be encrypted here; empty if it can."""
    try:
        _cipher()
    except EncryptionUnavailable as error:
        return str(error)
    return ""


def _decrypted(cipher: Any, token: Any) -> bytes:
    from cryptography.fernet import InvalidToken

    try:
        return bytes(cipher.decrypt(token))
    except (InvalidToken, TypeError, ValueError):
        # Whatever the cipher says of the token stays with it.
        raise Undecryptable(
            "it was altered, or encrypted with a key that is not in JOBS_ENCRYPTION_KEYS"
        ) from None


def _cipher() -> Any:
    return _cipher_of(settings.ENCRYPTION_KEYS)


@lru_cache(maxsize=8)
def _cipher_of(keys: tuple[str, ...]) -> Any:
    if not keys:
        raise EncryptionUnavailable(NO_KEYS)
    try:
        from cryptography.fernet import Fernet, MultiFernet
    except ImportError:
        raise EncryptionUnavailable(NO_LIBRARY) from None
    return MultiFernet([Fernet(key) for key in keys])
