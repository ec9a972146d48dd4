"""E-mail accounts: a sender address, optionally with a connection of its own (A1)."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsettings import changes
from mailsettings.changes import Book, Objection, Refused
from mailsettings.core.parameters import CONNECTION_KEYS, PARAMETERS, SECRET_KEYS, Group
from mailsettings.forms.fields import INHERIT, ObjectingForm, initial_of, offer_users, parameter_field, parameter_groups
from mailsettings.forms.sheet import ONLY_CONFIRMED_BY_FIRMS, Entry, locks_on, secrets_with_fit
from mailsettings.models import EmailAccount, Tenant, User


class AccountForm(ObjectingForm):
    """An account and the connection keys it sets; without a server it borrows (R3)."""

    slug = forms.CharField(
        label=gettext_lazy("ID"),
        max_length=64,
        help_text=gettext_lazy("Letters, digits, dots, hyphens and underscores; it cannot be changed later."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    sender_address = forms.CharField(
        label=gettext_lazy("Sender address"),
        help_text=gettext_lazy("user@domain or Name <user@domain>; mail of this account carries it."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    user = forms.ModelChoiceField(
        User.objects.none(),
        label=gettext_lazy("Belongs to user ID"),
        required=False,
        empty_label=gettext_lazy("Nobody"),
        help_text=gettext_lazy("This user sends with this account wherever the print model names no other."),
    )
    is_active = forms.BooleanField(
        label=gettext_lazy("Active"),
        required=False,
        initial=True,
        help_text=gettext_lazy("A deactivated account gives no sender address any more; the next level does."),
    )

    def __init__(self, tenant: Tenant, reader: User, account: EmailAccount | None, data: QueryDict | None = None) -> None:
        self.tenant, self.account = tenant, account
        self.forgotten = data.get(INHERIT, "") if data is not None else ""
        entries = _entries(tenant, reader, account)
        head = {name: getattr(account, name) for name in ("slug", "sender_address", "user", "is_active")} if account else {}
        super().__init__(data, initial={**head, **{entry.key: initial_of(entry) for entry in entries}})
        offer_users(self.fields["user"], tenant)
        self.fields["slug"].disabled = account is not None
        for entry in entries:
            at_firm = not tenant.is_com_customer
            self.fields[entry.key] = parameter_field(entry, shared_identity=at_firm, inherits=False)

    @property
    def grouped_fields(self) -> list[dict[str, Any]]:
        borrowing = _("Leave everything empty to send over the mail server of the general settings.")
        login_only = _("With a user and a password alone, the account logs in with them at the server of the general settings.")
        head = self.group(_("Account"), ["slug", "sender_address", "user", "is_active"])
        first, *others = parameter_groups(self, CONNECTION_KEYS)
        return [head, {**first, "heading": _("Own connection"), "text": f"{borrowing} {login_only}"}, *others]

    def clean(self) -> None:
        """Ask early what a parameter can be, so that all errors show at once."""
        try:
            changes.clean_values(self._typed(), of_firm=False, of_account=True)
        except Refused as refused:
            self.show_objections(refused)
        try:
            changes.clean_values({"sender_address": self.cleaned_data.get("sender_address")}, of_firm=False)
        except Refused as refused:
            self.show_objections(refused)

    def save(self, book: Book) -> EmailAccount:
        """Write the account; inside a transaction. Raises Refused."""
        data = self.cleaned_data
        if self.account is None and EmailAccount.objects.filter(tenant=self.tenant, slug=data["slug"]).exists():
            raise Refused([Objection("slug", "exists", _("There is an account with this ID already."))])
        before = dict(self.account.values) if self.account else {}
        values = {key: value for key, value in {**before, **self._typed()}.items() if value not in (None, "", [])}
        saved = changes.save_account(
            book,
            tenant=self.tenant,
            slug=data["slug"],
            sender_address=data["sender_address"],
            values=values,
            user=data["user"],
            active=data["is_active"],
        )
        changes.refuse_shared_identity(saved, values)
        for key in SECRET_KEYS:
            if not self.fields[key].disabled:
                self._save_secret(book, saved, key)
        changes.warn_of_stale_secrets(book, saved)
        return saved

    def _typed(self) -> dict[str, Any]:
        """What could be typed of the connection, secrets left out."""
        keys = CONNECTION_KEYS - set(SECRET_KEYS)
        return {key: value for key, value in self.cleaned_data.items() if key in keys and not self.fields[key].disabled}

    def _save_secret(self, book: Book, saved: EmailAccount, key: str) -> None:
        if self.forgotten == key:
            changes.forget_secret(book, saved, key)
        elif self.cleaned_data.get(key):
            changes.save_secret(book, saved, key, self.cleaned_data[key])


def _entries(tenant: Tenant, reader: User, account: EmailAccount | None) -> list[Entry]:
    values = account.values if account else {}
    secrets = secrets_with_fit(account) if account else {}
    locks = locks_on(account, reader) if account else locks_on(EmailAccount(tenant=tenant), reader)
    keys = [key for key in PARAMETERS if key in CONNECTION_KEYS]
    if tenant.is_com_customer:
        keys.remove(ONLY_CONFIRMED_BY_FIRMS)
    return [
        Entry(
            key,
            own=values.get(key),
            origin=_("Set here") if key in secrets else "",
            locked=locks.get(key, ""),
            secret=secrets[key][0] if key in secrets else None,
            secret_fits=secrets[key][1] if key in secrets else True,
        )
        for key in keys
    ]


assert Group.CONNECTION is next(iter(Group))  # noqa: S101 (the first group of an account is its server)
