"""What is told of a server's certificate."""

from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID


def read(der: bytes) -> dict[str, Any]:
    """`fingerprint` (SHA-256, hex), `subject`, `issuer`, `until` (ISO 8601); empty where it cannot be read."""
    try:
        found = x509.load_der_x509_certificate(der)
        return {
            "fingerprint": found.fingerprint(SHA256()).hex(),
            "subject": _name(found.subject),
            "issuer": _name(found.issuer),
            "until": found.not_valid_after_utc.isoformat(),
        }
    except ValueError:
        return {}


def days_left(until: str, now: datetime) -> int | None:
    """Whole days until then, None where nobody knows."""
    return (datetime.fromisoformat(until) - now).days if until else None


def _name(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return str(found[0].value)[:200]
    return name.rfc4514_string()[:200]
