"""Passkeys (WebAuthn level 2): added when logged in, used to log in without a password or as the second step. fido2 judges."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.utils import timezone
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from mailjobs.people.models import Passkey
from mailjobs.people.second_factor import has_second_factor
from mailsettings.changes import audit
from mailsettings.models import User

STATE = "passkey"  # in the session: what the browser was asked, for one answer
MOST = 20  # passkeys of one user


class NotTaken(Exception):
    """What the browser answered proves nothing."""


def ask_to_add(request: HttpRequest, user: User) -> dict[str, Any]:
    """What a browser needs to make a passkey for this user."""
    options, state = _server(request).register_begin(
        PublicKeyCredentialUserEntity(id=_handle(user), name=user.login, display_name=user.name),
        credentials=[_credential(row) for row in Passkey.objects.filter(user=user)],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    request.session[STATE] = {"add": state}
    return dict(options)


def add(request: HttpRequest, user: User, answer: Mapping[str, Any], name: str) -> Passkey:
    """Take the passkey that a browser has made. Raises NotTaken."""
    state = _state(request, "add")
    if Passkey.objects.filter(user=user).count() >= MOST:
        raise NotTaken
    try:
        made = _server(request).register_complete(state, answer)
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise NotTaken from wrong
    credential = made.credential_data
    if credential is None or Passkey.objects.filter(key=websafe_encode(credential.credential_id)).exists():
        raise NotTaken
    row = Passkey.objects.create(
        user=user,
        name="".join(filter(str.isprintable, name)).strip()[:100] or "Passkey",
        key=websafe_encode(credential.credential_id),
        credential=bytes(credential),
        counter=made.counter,
    )
    audit(user.login, user.tenant, "passkey", user.login, {"added": row.name})
    return row


def ask(request: HttpRequest, user: User | None) -> dict[str, Any]:
    """What a browser needs to prove that it has a passkey: of this user, or of whoever it is."""
    known = [_credential(row) for row in Passkey.objects.filter(user=user)] if user else None
    options, state = _server(request).authenticate_begin(known or None, user_verification=UserVerificationRequirement.REQUIRED)
    request.session[STATE] = {"ask": state}
    return dict(options)


def prove(request: HttpRequest, answer: Mapping[str, Any], user: User | None) -> User:
    """Whose passkey it was. Raises NotTaken, also where a copy of it seems to be about (its counter goes back)."""
    state = _state(request, "ask")
    try:
        read = AuthenticationResponse.from_dict(answer)
        row = Passkey.objects.select_related("user__tenant").filter(key=websafe_encode(read.raw_id)).first()
        if row is None or (user is not None and row.user_id != user.pk):
            raise NotTaken
        _server(request).authenticate_complete(state, [_credential(row)], answer)
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise NotTaken from wrong
    counter = read.response.authenticator_data.counter
    taken = Passkey.objects.filter(pk=row.pk, counter=row.counter)
    owner: User = row.user
    if (counter or row.counter) and counter <= row.counter:
        audit(owner.login, owner.tenant, "passkey", owner.login, {"refused, its counter went back": row.name})
        raise NotTaken
    if not taken.update(counter=counter, used_at=timezone.now()) or not owner.is_active:
        raise NotTaken
    return owner


def remove(user: User, row: Passkey) -> None:
    """Forget a passkey; with the last factor the recovery codes go too."""
    row.delete()
    if not has_second_factor(user):
        user.recovery_codes.all().delete()
    audit(user.login, user.tenant, "passkey", user.login, {"removed": row.name})


def _state(request: HttpRequest, kind: str) -> Any:
    """What was asked; it serves for one answer."""
    asked = request.session.pop(STATE, None)
    if not isinstance(asked, dict) or kind not in asked:
        raise NotTaken
    return asked[kind]


def _server(request: HttpRequest) -> Fido2Server:
    """For the host that this request came to; a passkey serves there only."""
    origin = f"{request.scheme}://{request.get_host()}"
    host = urlsplit(origin).hostname or ""
    return Fido2Server(PublicKeyCredentialRpEntity(name="Postausgang", id=host), verify_origin=lambda asked: asked == origin)


def _credential(row: Passkey) -> AttestedCredentialData:
    return AttestedCredentialData(bytes(row.credential))


def _handle(user: User) -> bytes:
    return f"postausgang-{user.pk}".encode()
