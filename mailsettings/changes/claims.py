"""Sender addresses that a Com customer claims: confirmed by whoever may vouch for them, or by a mail to the address (T4, P8)."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from mailsettings.changes.book import Book, Objection, Refused, Trust, audit
from mailsettings.core.addresses import key_of
from mailsettings.models import ClaimedAddress, Tenant
from mailsettings.selectors import foreign_addresses

LINK_HOLDS = timedelta(days=7)
MAILS_A_DAY = 3  # to one address
MAILS_A_DAY_OF_TENANT = 30


def claim(book: Book, tenant: Tenant, where: str, addresses: Iterable[str], before: Iterable[str] = ()) -> None:
    """Note the addresses a Com customer uses as senders; those that nobody has confirmed yet are asked for.

    `where`: the field that an objection names; `before`: what stood there already. Raises Refused where one is another tenant's.
    """
    if not tenant.is_com_customer:
        return
    known = set(map(key_of, before))
    for address in addresses:
        if key := key_of(address):
            _claim(book, tenant, where, address, key, new=key not in known)


def _claim(book: Book, tenant: Tenant, where: str, address: str, key: str, *, new: bool) -> None:
    row = ClaimedAddress.objects.filter(tenant=tenant, key=key).first() or ClaimedAddress(tenant=tenant, key=key, address=address)
    if row.confirmed_at is not None or not (new or book.trust is Trust.IMPORT):
        return
    if book.trust is Trust.CLAIMANT:
        if book.foreign is None:
            book.foreign = foreign_addresses(tenant)
        if key in book.foreign:
            message = _("The address %(address)s belongs to another tenant (rule P8). Use an address of your own.")
            raise Refused([Objection(where, "foreign_address", message % {"address": address})])
        row.asked_by = book.actor
        row.save()
        book.claims.append(row)
        return
    row.asked_by = row.asked_by or book.actor
    confirm(book, row, by=book.actor)


def confirm(book: Book, row: ClaimedAddress, *, by: str) -> None:
    """The address may be used from now on; `by` is who says so, `mailbox` for the address itself."""
    row.confirmed_at, row.confirmed_by, row.disowned_at = timezone.now(), by, None
    row.token_digest, row.token_until, row.error = "", None, ""
    row.save()
    book.note(row.tenant, "address", f"{row.tenant.slug}/{row.key}"[:200], {}, {"confirmed": by})
    book.policy_changed(row.tenant)


def disown(book: Book, row: ClaimedAddress) -> None:
    """The mailbox says that this Com customer may not use its address; who else wants it must ask anew."""
    row.confirmed_at, row.confirmed_by, row.disowned_at = None, "", timezone.now()
    row.token_digest, row.token_until = "", None
    row.save()
    book.note(row.tenant, "address", f"{row.tenant.slug}/{row.key}"[:200], {}, {"disowned": True})
    book.policy_changed(row.tenant)


def may_ask(row: ClaimedAddress) -> bool:
    """Whether one more confirmation mail may go out today, so that nobody can flood a stranger's mailbox."""
    since = timezone.now() - timedelta(days=1)
    fresh = row.asked_at is not None and row.asked_at > since
    of_tenant = ClaimedAddress.objects.filter(tenant=row.tenant, asked_at__gt=since).count()
    return not (fresh and row.mails >= MAILS_A_DAY) and of_tenant < MAILS_A_DAY_OF_TENANT


def new_token(row: ClaimedAddress) -> str:
    """A token for the link in the next confirmation mail; the ones before no longer count."""
    token = secrets.token_urlsafe(32)
    row.token_digest, row.token_until = _digest(token), timezone.now() + LINK_HOLDS
    row.save(update_fields=["token_digest", "token_until"])
    return token


def claim_of(token: str) -> ClaimedAddress | None:
    """The claim that a link stands for, while it holds."""
    rows = ClaimedAddress.objects.select_related("tenant__firm").filter(
        token_digest=_digest(token), token_until__gt=timezone.now()
    )
    return rows.first()


def mail_went_out(row: ClaimedAddress, error: str = "") -> None:
    """Write down what became of a confirmation mail."""
    now: datetime = timezone.now()
    if error:
        row.error = error
    else:
        fresh = row.asked_at is not None and row.asked_at > now - timedelta(days=1)
        row.mails, row.asked_at, row.error = (row.mails + 1 if fresh else 1), now, ""
    row.save(update_fields=["mails", "asked_at", "error"])
    audit(row.asked_by, row.tenant, "confirmation mail", f"{row.tenant.slug}/{row.key}", {"error": error} if error else {})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
