"""Secrets, sealed to the endpoint that is in force when they are entered (P5, Z7, Z8)."""

from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from mailsettings.changes.book import Book, Objection, Owner, Refused, name_of, own_values, owner_filter, set_of, tenant_of
from mailsettings.core.mailboxes import IMAP_PASSWORD, IMAP_TOKENS, imap_binding, server_of, shares_password
from mailsettings.core.parameters import SECRET_KEYS, Holder, Layer, ParameterLevel
from mailsettings.core.relay import (
    CLIENT_KEY,
    OAUTH_CONSENT,
    OAUTH_SECRET,
    SMTP_PASSWORD,
    Level,
    binding,
    client_key_binding,
    oauth_binding,
)
from mailsettings.models import Consent, EmailAccount, ParameterSet, Secret, Tenant, User
from mailsettings.selectors import find_secret, general_layers, owner_of
from mailsettings.vault import SecretUnreadable, seal, unseal


def save_secret(book: Book, owner: Owner, key: str, secret: str) -> None:
    """Seal a secret to the endpoint that is in force now (P5); call it after everything that decides the endpoint is saved.

    The password for SMTP is sealed for the IMAP server too where one is in force and has no user of its own, and the tokens of
    an OAuth secret may be offered to the one in force now.
    Raises Refused for a key that is not the client certificate's.
    """
    level = level_of(owner)
    if key == CLIENT_KEY:
        _check_client_key(level.holder.text("client_certificate"), secret)
    if key == SMTP_PASSWORD and shares_password(level):
        save_secret(book, owner, IMAP_PASSWORD, secret)
    if key in IMAP_TOKENS:
        _let_imap_have_tokens(book, owner, level, IMAP_TOKENS[key])
    bound = _binding_of(level, key)
    place: dict[str, Any] = {"account": owner} if isinstance(owner, EmailAccount) else {"parameter_set": set_of(owner)}
    known = Secret.objects.filter(**place, key=key, binding=bound).first()
    if known and _same_secret(known, secret, owner=level.holder.owner):
        return
    sealed = seal(secret, owner=level.holder.owner, key=key, binding=bound)
    Secret.objects.update_or_create(**place, key=key, defaults={"sealed": sealed, "binding": bound})
    book.note(tenant_of(owner), "secret", f"{name_of(owner)}/{key}", {}, {"entered": True})


def save_consent(book: Book, owner: Owner, refresh_token: str, *, mailbox: str) -> None:
    """A mailbox has consented that the portal sends in its name; what was consented to before is forgotten."""
    save_secret(book, owner, OAUTH_CONSENT, refresh_token)
    row = secrets_of(owner).get(key=OAUTH_CONSENT)
    told = {"mailbox": mailbox, "given_by": book.actor, "given_at": Now(), "renewed_at": Now(), "refusal": ""}
    Consent.objects.update_or_create(secret=row, defaults=told)
    book.note(tenant_of(owner), "consent", name_of(owner), {}, {"mailbox": mailbox})


def renew_consent(owner: str, binding: str, given_at: str, *, refresh_token: str = "", refusal: str = "") -> None:
    """The authority has answered a worker: with a new refresh token, with none (the old one holds), or with a refusal.

    Not audited, nobody decided anything; without effect where the consent has been given anew or its endpoint changed since.
    """
    row = _consented(owner, binding, given_at)
    if row is None:
        return
    if refusal:
        Consent.objects.filter(secret=row).update(refusal=refusal)
        return
    Consent.objects.filter(secret=row).update(renewed_at=Now(), refusal="")
    if refresh_token:
        sealed = seal(refresh_token, owner=owner, key=OAUTH_CONSENT, binding=binding)
        Secret.objects.filter(pk=row.pk).update(sealed=sealed)


def forget_secret(book: Book, owner: Owner, key: str) -> None:
    """Delete a stored secret, if there is one."""
    if key == SMTP_PASSWORD and shares_password(level_of(owner)):
        forget_secret(book, owner, IMAP_PASSWORD)
    if key in IMAP_TOKENS:
        secrets_of(owner).filter(key=IMAP_TOKENS[key]).delete()
    secrets = secrets_of(owner).filter(key=key)
    if secrets:
        secrets.delete()
        book.note(tenant_of(owner), "secret", f"{name_of(owner)}/{key}", {"entered": True}, {})


def secrets_of(owner: Owner) -> QuerySet[Secret]:
    """The sealed secrets of an owner."""
    if isinstance(owner, EmailAccount):
        return owner.secrets.all()
    return Secret.objects.filter(**{f"parameter_set__{name}": value for name, value in owner_filter(owner).items()})


def secret_fits(owner: Owner, secret: Secret) -> bool:
    """Whether a stored secret may still be offered: server, port, user and TLS are those it was entered for (P5)."""
    return secret.binding == _binding_of(level_of(owner), secret.key)


def warn_of_stale_secrets(book: Book, owner: Owner) -> None:
    """P5: say whose secrets no longer fit, at this owner and below; pages call it after a connection has changed."""
    for secret in _secrets_at_and_below(owner):
        holder = _owner_of_secret(secret)
        if holder is not None and not secret_fits(holder, secret):
            message = _("%(name)s: the password must be entered again, because server, port, user or TLS have changed.")
            if secret.key == OAUTH_CONSENT:
                message = _("%(name)s: the mailbox must be connected again, because its server, user or authority have changed.")
            elif secret.key == CLIENT_KEY:
                message = _(
                    "%(name)s: the client key must be entered again, because server, port, TLS or certificate have changed."
                )
            elif secret.key == IMAP_PASSWORD:
                message = _("%(name)s: the IMAP password must be entered again, because server, port, user or TLS have changed.")
            elif secret.key in IMAP_TOKENS.values():
                message = _(
                    "%(name)s: for the mailbox over IMAP the client secret must be entered or the mailbox connected again, "
                    "because the IMAP server or its user have changed."
                )
            elif secret.key != SMTP_PASSWORD:
                message = _("%(name)s: the client secret must be entered again, because server, user or authority have changed.")
            book.warnings.append(message % {"name": name_of(holder)})


def level_of(owner: Owner) -> Level:
    """Where a secret stands, with what its level may borrow a server from (R3)."""
    if isinstance(owner, EmailAccount):
        generals = general_layers(owner.tenant)
        return Level("", owner.slug, _account_holder(owner), tuple(layer.holder for layer in generals))
    tenant = tenant_of(owner)
    layers: Sequence[Layer] = general_layers(tenant)
    if isinstance(owner, Tenant):
        return Level(layers[0].level, owner.slug, _raw_holder(owner), tuple(layer.holder for layer in layers[1:]))
    return Level(ParameterLevel.USER, owner.login, _raw_holder(owner), tuple(layer.holder for layer in layers))


def _binding_of(level: Level, key: str) -> str:
    match key:
        case _ if key == SMTP_PASSWORD:
            return binding(level)
        case _ if key == IMAP_PASSWORD:
            return imap_binding(level)
        case _ if key in IMAP_TOKENS.values():
            return imap_binding(level)
        case _ if key == CLIENT_KEY:
            return client_key_binding(level.holder)
        case _:
            return oauth_binding(level)


def _let_imap_have_tokens(book: Book, owner: Owner, level: Level, leave: str) -> None:
    if server_of(level) is None:
        secrets_of(owner).filter(key=leave).delete()
    else:
        save_secret(book, owner, leave, "")


def _check_client_key(certificate: str, key: str) -> None:
    """Raises Refused where the key cannot be read without a passphrase, or is another certificate's."""
    try:
        private = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = _("This is no private key in PEM form, or it is protected by a passphrase. Enter it without one.")
        raise Refused([Objection(CLIENT_KEY, "not_a_key", message)]) from error
    try:
        belongs = not certificate or load_pem_x509_certificate(certificate.encode()).public_key() == private.public_key()
    except (ValueError, UnsupportedAlgorithm):
        belongs = False
    if not belongs:
        message = _("This key does not belong to the client certificate.")
        raise Refused([Objection(CLIENT_KEY, "another_key", message)])


def _consented(owner: str, binding: str, given_at: str) -> Secret | None:
    row = find_secret(owner, OAUTH_CONSENT)
    if row is None or row.binding != binding:
        return None
    consent = Consent.objects.filter(secret=row).first()
    return row if consent is not None and consent.given_at.isoformat() == given_at else None


def _secrets_at_and_below(owner: Owner) -> QuerySet[Secret]:
    rows = secrets_of(owner)
    if isinstance(owner, Tenant):
        accounts = EmailAccount.objects.filter(Q(tenant=owner) | Q(tenant__firm=owner))
        sets = ParameterSet.objects.filter(
            Q(tenant=owner) | Q(tenant__firm=owner) | Q(user__tenant=owner) | Q(user__tenant__firm=owner)
        )
        rows = Secret.objects.filter(Q(account__in=accounts) | Q(parameter_set__in=sets))
    return rows.select_related("account__tenant__firm", "parameter_set__tenant__firm", "parameter_set__user__tenant__firm")


def _owner_of_secret(secret: Secret) -> Owner | None:
    if secret.account:
        return secret.account
    return (secret.parameter_set.tenant or secret.parameter_set.user) if secret.parameter_set else None


def _same_secret(known: Secret, secret: str, *, owner: str) -> bool:
    try:
        return unseal(bytes(known.sealed), owner=owner, key=known.key, binding=known.binding) == secret
    except SecretUnreadable:
        return False


def _raw_holder(owner: Tenant | User) -> Holder:
    return Holder(owner_of(set_of(owner)), own_values(owner))


def _account_holder(account: EmailAccount) -> Holder:
    return Holder(f"account:{account.pk}", dict(account.values))


assert set(SECRET_KEYS) == {SMTP_PASSWORD, IMAP_PASSWORD, CLIENT_KEY, OAUTH_SECRET}  # noqa: S101 (`save_secret` knows these)
