"""Secrets at rest: AES-GCM, bound to where they lie and to what they may be offered (Z8, P5)."""

import hmac
import os
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_VERSION = b"\x01"
_KEY_ID = 4  # octets that say which key sealed it
_NONCE = 12


class SecretUnreadable(Exception):
    """The sealed text was made with another key, for another place, or was changed."""


def seal(secret: str, *, owner: str, key: str, binding: str) -> bytes:
    """Seal a secret under the newest key, bound to its owner row, its parameter and what it may be offered to."""
    key_id, cipher = _ciphers()[0]
    nonce = os.urandom(_NONCE)
    return _VERSION + key_id + nonce + cipher.encrypt(nonce, secret.encode(), _associated(owner, key, binding))


def unseal(sealed: bytes, *, owner: str, key: str, binding: str) -> str:
    """The secret again. Raises SecretUnreadable where anything it is bound to differs."""
    sealed = bytes(sealed)
    key_id, nonce = sealed[1 : 1 + _KEY_ID], sealed[1 + _KEY_ID : 1 + _KEY_ID + _NONCE]
    for known, cipher in _ciphers():
        if hmac.compare_digest(known, key_id):
            try:
                return cipher.decrypt(nonce, sealed[1 + _KEY_ID + _NONCE :], _associated(owner, key, binding)).decode()
            except InvalidTag as wrong:
                raise SecretUnreadable from wrong
    raise SecretUnreadable


def is_newest(sealed: bytes) -> bool:
    """Whether a sealed text is under the newest key already."""
    return hmac.compare_digest(bytes(sealed)[1 : 1 + _KEY_ID], _ciphers()[0][0])


def _associated(owner: str, key: str, binding: str) -> bytes:
    return "\x00".join((owner, key, binding)).encode()


def _ciphers() -> list[tuple[bytes, AESGCM]]:
    """Newest first. What was sealed before there were FIELD_KEYS, or under an earlier SECRET_KEY, can still be read."""
    derived = (_derived(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
    return _ciphers_of((*settings.FIELD_KEYS, *derived))


@lru_cache(maxsize=8)
def _ciphers_of(keys: tuple[bytes, ...]) -> list[tuple[bytes, AESGCM]]:
    return [(sha256(b"postausgang key id" + key).digest()[:_KEY_ID], AESGCM(key)) for key in keys]


@lru_cache(maxsize=8)
def _derived(secret_key: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"postausgang field key").derive(secret_key.encode())
