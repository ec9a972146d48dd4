"""Access tokens that the stand-ins of this folder issue and check: JWTs (RFC 7519) with audience, scope, user and end; HS256.

Standard library only: `introspect.py` runs without the project's packages.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
import uuid
from pathlib import Path

SMTP_AUDIENCE = "https://outlook.office365.com"
SMTP_SCOPES = frozenset({"SMTP.SendAsApp", "SMTP.Send"})
REVOKED = "revoked-tokens"  # a file in the state folder, an id a line
_KEY = b"only for tests: whoever reads this can issue such tokens"

Claims = dict[str, object]


def issue(*, audience: str, scope: str, user: str, seconds: float = 3600, key: bytes = _KEY) -> str:
    """A token of this user for one audience; `scope` as one text."""
    claims = {"aud": audience, "scp": scope, "upn": user, "exp": time.time() + seconds, "jti": str(uuid.uuid4())}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_encoded(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def claims_of(token: str) -> Claims | None:
    """What a token says; None where it was not issued here."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_encoded(hmac.digest(_KEY, signed.encode(), hashlib.sha256)), signature):
        return None
    try:
        claims = json.loads(_decoded(signed.partition(".")[2]))
    except (ValueError, binascii.Error):
        return None
    return claims if isinstance(claims, dict) else None


def active(token: str, *, audience: str, revoked: frozenset[str] = frozenset()) -> Claims | None:
    """What a token says that holds now for this audience, else None."""
    claims = claims_of(token)
    if claims is None or claims.get("aud") != audience or claims.get("jti") in revoked:
        return None
    return claims if float(str(claims.get("exp", 0))) > time.time() else None


def revoke(token: str, state: Path) -> None:
    """The token is good for nothing from now on, wherever the state folder is looked into."""
    claims = claims_of(token) or {}
    with (state / REVOKED).open("a") as file:
        file.write(f"{claims.get('jti')}\n")


def revoked(state: Path) -> frozenset[str]:
    file = state / REVOKED
    return frozenset(file.read_text().split()) if file.exists() else frozenset()


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
