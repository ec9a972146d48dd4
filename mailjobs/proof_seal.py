"""Whether a proof of dispatch is one that this installation made, unchanged: an HMAC over it (J10)."""

import hmac
import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

ALGORITHM = "HMAC-SHA256"
HOW = "over this document without its seal, as JSON with sorted keys, without spaces, ASCII-escaped"


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its seal, made with the newest key."""
    key = _keys()[0]
    return {**document, "seal": {"algorithm": ALGORITHM, "how": HOW, "key": _name(key), "value": _value(key, document)}}


def is_genuine(document: Mapping[str, Any]) -> bool | None:
    """Whether the seal fits; None where it was made with a key that this installation does not have, or there is none."""
    seal = document.get("seal")
    if not isinstance(seal, dict) or seal.get("algorithm") != ALGORITHM:
        return None
    key = next((key for key in _keys() if _name(key) == seal.get("key")), None)
    if key is None:
        return None
    return hmac.compare_digest(_value(key, document).encode(), str(seal.get("value", "")).encode("utf-8", "replace"))


def _value(key: bytes, document: Mapping[str, Any]) -> str:
    bare = {name: value for name, value in document.items() if name != "seal"}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, text.encode("ascii"), sha256).hexdigest()


def _name(key: bytes) -> str:
    return sha256(b"postausgang proof key" + key).hexdigest()[:8]


def _keys() -> list[bytes]:
    """As for stored secrets, newest first: what an older key sealed stays provable as long as that key is kept."""
    return [_derived(bytes(key)) for key in tuple(settings.FIELD_KEYS) or (settings.SECRET_KEY.encode(),)]


@lru_cache(maxsize=8)
def _derived(key: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"postausgang proof of dispatch").derive(key)
