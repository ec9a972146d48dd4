"""The second step: codes of an authenticator app (TOTP), and recovery codes."""

import hashlib
import hmac
import secrets
import time

import pyotp
import segno
from django.conf import settings
from django.db import transaction

from mailjobs.people.models import Authenticator, RecoveryCode
from mailsettings.changes import audit
from mailsettings.models import User
from mailsettings.vault import SecretUnreadable, seal, unseal

RECOVERY_CODES = 10
_STEP = 30  # seconds a code stands for (RFC 6238)
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
ISSUER = "Postausgang"


def new_secret() -> str:
    """A secret for an app, 160 bits in base32."""
    return pyotp.random_base32()


def picture_of(user: User, secret: str) -> str:
    """The QR code as a data address for an image."""
    address = pyotp.TOTP(secret).provisioning_uri(name=user.login, issuer_name=ISSUER)
    return str(segno.make(address, error="m").svg_data_uri(scale=5, border=2, dark="#000", light="#fff"))


def step_of(secret: str, code: str) -> int | None:
    """The 30 seconds that a code is of, one before and one after now allowed; None where it is wrong."""
    code = code.replace(" ", "")
    now = int(time.time()) // _STEP
    if len(code) != 6 or not code.isascii() or not code.isdecimal():
        return None
    totp = pyotp.TOTP(secret)
    return next((step for step in (now, now - 1, now + 1) if hmac.compare_digest(totp.at(step * _STEP), code)), None)


def set_up(user: User, secret: str, code: str) -> bool:
    """Take an app whose code is right, in place of the one before."""
    step = step_of(secret, code)
    if step is None:
        return False
    sealed = seal(secret, owner=_owner(user), key="totp", binding="")
    Authenticator.objects.update_or_create(user=user, defaults={"sealed": sealed, "last_step": step})
    audit(user.login, user.tenant, "second factor", user.login, {"authenticator app": True})
    return True


def take_away(user: User, *, by: str) -> None:
    """Forget the app; with the last factor the recovery codes go too."""
    Authenticator.objects.filter(user=user).delete()
    if not has_second_factor(user):
        RecoveryCode.objects.filter(user=user).delete()
    audit(by, user.tenant, "second factor", user.login, {"authenticator app": False})


def has_second_factor(user: User) -> bool:
    """Whether a password alone is not enough."""
    return Authenticator.objects.filter(user=user).exists() or user.passkeys.exists()


def code_is_right(user: User, code: str) -> bool:
    """Whether a code of the app, or a recovery code, is right; either serves once."""
    return _totp_is_right(user, code) or _recovery_is_right(user, code)


def _totp_is_right(user: User, code: str) -> bool:
    row = Authenticator.objects.filter(user=user).first()
    if row is None:
        return False
    try:
        secret = unseal(bytes(row.sealed), owner=_owner(user), key="totp", binding="")
    except SecretUnreadable:
        return False
    step = step_of(secret, code)
    if step is None:
        return False
    return bool(Authenticator.objects.filter(pk=row.pk, last_step__lt=step).update(last_step=step))


def _recovery_is_right(user: User, code: str) -> bool:
    deleted, _rows = RecoveryCode.objects.filter(user=user, digest=_digest(user, code)).delete()
    if deleted:
        audit(user.login, user.tenant, "recovery code", user.login, {"left": RecoveryCode.objects.filter(user=user).count()})
    return bool(deleted)


def new_recovery_codes(user: User) -> list[str]:
    """Ten codes in place of those before; shown once."""
    codes = ["-".join("".join(secrets.choice(_ALPHABET) for _i in range(5)) for _j in range(2)) for _k in range(RECOVERY_CODES)]
    with transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=_digest(user, code)) for code in codes)
        audit(user.login, user.tenant, "recovery codes", user.login, {"made": len(codes)})
    return codes


def _digest(user: User, code: str) -> str:
    plain = code.strip().lower().replace(" ", "").replace("-", "")
    key = settings.SECRET_KEY.encode()
    return hmac.new(key, f"recovery {user.pk} {plain}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _owner(user: User) -> str:
    return f"user {user.login}"
