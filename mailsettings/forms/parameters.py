"""General and own settings as one form over all parameters."""

from typing import Any

from django.http import QueryDict

from mailsettings import changes
from mailsettings.changes import Book, Refused
from mailsettings.core.parameters import CONNECTION_KEYS, SECRET_KEYS, Group
from mailsettings.forms.fields import INHERIT, ObjectingForm, initial_of, parameter_field, parameter_groups
from mailsettings.forms.login_password import LOGIN_PASSWORD, ask_login_password
from mailsettings.forms.sheet import Sheet
from mailsettings.models import Tenant


class ParameterForm(ObjectingForm):
    """What an owner sets itself. An empty field sets nothing, an empty secret stays, `inherit=NAME` unsets."""

    def __init__(self, sheet: Sheet, data: QueryDict | None = None) -> None:
        self.sheet = sheet
        self.forgotten = data.get(INHERIT, "") if data is not None else ""
        initial = {entry.key: initial_of(entry) for entry in sheet.entries}
        if data is not None and self.forgotten in initial:
            data = data.copy()
            data[self.forgotten] = ""
        super().__init__(data, initial=initial)
        at_firm = not self._tenant.is_com_customer
        for entry in sheet.entries:
            self.fields[entry.key] = parameter_field(entry, shared_identity=at_firm)

    @property
    def grouped_fields(self) -> list[dict[str, Any]]:
        keys = [entry.key for entry in self.sheet.entries]
        return parameter_groups(self, keys, extra={Group.REDIRECT: LOGIN_PASSWORD})

    def clean(self) -> None:
        """Ask early what a parameter can be, so that all errors show at once; and for a password where redirect goes off."""
        try:
            changes.clean_values(self._typed(), of_firm=not self._tenant.is_com_customer)
        except Refused as refused:
            self.show_objections(refused)
        self._check_redirect()

    def _check_redirect(self) -> None:
        """Switching the redirect mode off lets mail out to real recipients: the log-in password once more."""
        if self._before.get("redirect_enabled") is True and self._after().get("redirect_enabled") is not True:
            ask_login_password(self, self.sheet.reader)

    def save(self, book: Book) -> None:
        """Write what was typed; inside a transaction. Raises Refused."""
        owner, before, values = self.sheet.owner, self._before, self._after()
        changes.refuse_shared_identity(owner, values)
        changes.save_parameters(book, owner, values)
        if not isinstance(owner, Tenant) and not self.fields["sender_address"].disabled:
            changes.refuse_own_sender(owner, changes.own_sender_of(owner))  # when P6 has had its say
        for key in SECRET_KEYS:
            if key not in self.fields or self.fields[key].disabled:
                continue
            if self.forgotten == key:
                changes.forget_secret(book, owner, key)
            elif self.cleaned_data.get(key):
                changes.save_secret(book, owner, key, self.cleaned_data[key])
        if any(before.get(key) != values.get(key) for key in CONNECTION_KEYS):
            changes.warn_of_stale_secrets(book, owner)

    @property
    def _tenant(self) -> Tenant:
        owner = self.sheet.owner
        tenant = owner if isinstance(owner, Tenant) else owner.tenant
        if tenant is None:
            raise ValueError("an operator has no settings")
        return tenant

    @property
    def _before(self) -> dict[str, Any]:
        return changes.own_values(self.sheet.owner)

    def _after(self) -> dict[str, Any]:
        """What is stored, with what could be typed here in its place; what is locked stays as it is."""
        return {key: value for key, value in {**self._before, **self._typed()}.items() if value not in (None, "", [])}

    def _typed(self) -> dict[str, Any]:
        """What could be typed here, secrets left out."""
        return {
            key: value
            for key, value in self.cleaned_data.items()
            if key not in SECRET_KEYS and key != LOGIN_PASSWORD and not self.fields[key].disabled
        }
