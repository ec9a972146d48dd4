"""Com customers and firms: ID, name, and what a Com customer's mail may carry of the firm (T1, P8)."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsettings import changes
from mailsettings.changes import Book, Objection, Refused
from mailsettings.core.send_systems import Role, SendsAsFirm, TenantKind
from mailsettings.forms.fields import ObjectingForm, contact_field, login_field
from mailsettings.models import Tenant, User, user_id_validator

MAX_PASSWORD = 1024
POLICY_SENTENCES = {
    SendsAsFirm.ALLOW: gettext_lazy("Allow: it is sent like that, and the portal shows it as a hazard."),
    SendsAsFirm.WARN: gettext_lazy("Ask the sender: it waits until the Com customer's own user confirms it."),
    SendsAsFirm.HOLD: gettext_lazy("Hold: it waits in your release queue until the firm releases or rejects it."),
}


_FIRST_PERSON = ("login", "person", "email")  # of a new Com customer


def refuse_taken_login(login: str) -> None:
    """User IDs are unique in the whole portal. Raises Refused."""
    if User.objects.filter(login=login).exists():
        message = _("The user ID %(id)s is taken; user IDs are unique in the whole portal. Choose another.")
        raise Refused([Objection("login", "exists", message % {"id": login})])


class _TenantForm(ObjectingForm):
    """What firms and Com customers have in common."""

    slug = forms.CharField(
        label=gettext_lazy("ID"),
        max_length=64,
        validators=[user_id_validator],
        help_text=gettext_lazy("Small letters, digits, dots, hyphens and underscores; it cannot be changed later."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=200, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )

    def __init__(self, tenant: Tenant | None, data: QueryDict | None = None) -> None:
        self.tenant = tenant
        super().__init__(data, initial=self._known(tenant) if tenant else None)
        self.fields["slug"].disabled = tenant is not None

    def save(self, book: Book) -> Tenant:
        """Write the tenant; inside a transaction. Raises Refused."""
        try:
            with transaction.atomic():
                return self._save(book)
        except IntegrityError as taken:  # somebody else was quicker by a moment
            raise self._taken() from taken

    def _known(self, tenant: Tenant) -> dict[str, Any]:
        return {"slug": tenant.slug, "name": tenant.name}

    def _save(self, book: Book) -> Tenant:
        raise NotImplementedError

    def _refuse_taken(self) -> None:
        if self.tenant is None and Tenant.objects.filter(slug=self.cleaned_data["slug"]).exists():
            raise self._taken()

    def _taken(self) -> Refused:
        message = _("The ID %(id)s is taken; IDs are unique in the whole portal. Choose another.")
        return Refused([Objection("slug", "exists", message % {"id": self.cleaned_data["slug"]})])


class ComCustomerForm(_TenantForm):
    """A Com customer of a firm."""

    sends_as_firm = forms.ChoiceField(
        label=gettext_lazy("Mail that carries the firm's address"),
        choices=list(POLICY_SENTENCES.items()),
        initial=SendsAsFirm.ALLOW,
        widget=forms.RadioSelect,
        help_text=gettext_lazy("Where a Com user has no sender address of their own, the firm's general one would be used."),
    )

    person = forms.CharField(
        label=gettext_lazy("Name"), max_length=200, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    login = login_field()
    email = contact_field()

    def __init__(self, firm: Tenant, tenant: Tenant | None, data: QueryDict | None = None) -> None:
        self.firm = firm
        super().__init__(tenant, data)
        self.fields["login"].required = False
        for name in _FIRST_PERSON if tenant is not None else ():
            del self.fields[name]

    @property
    def grouped_fields(self) -> list[dict[str, Any]]:
        groups = [self.group(_("Com customer"), ["slug", "name", "sends_as_firm"])]
        if self.tenant is None:
            text = _("Gets an invitation by mail and sets everything else up. Leave empty to do that later.")
            groups.append(self.group(_("First administrator"), list(_FIRST_PERSON), text=text))
        return groups

    def clean(self) -> None:
        """Either nobody is named, or somebody who can be invited."""
        given = [name for name in _FIRST_PERSON if self.cleaned_data.get(name)]
        for name in _FIRST_PERSON if given and self.tenant is None else ():
            if name not in given and name not in self.errors:
                self.add_error(name, _("The first administrator needs a name, a user ID and an e-mail address."))

    def _known(self, tenant: Tenant) -> dict[str, Any]:
        return {**super()._known(tenant), "sends_as_firm": tenant.sends_as_firm}

    def _save(self, book: Book) -> Tenant:
        self._refuse_taken()
        data = self.cleaned_data
        made = changes.save_tenant(
            book,
            slug=data["slug"],
            name=data["name"],
            kind=TenantKind.COM_CUSTOMER,
            firm=self.firm,
            sends_as_firm=data["sends_as_firm"],
        )
        if data.get("login"):
            refuse_taken_login(data["login"])
            book.invited.append(
                changes.save_user(
                    book,
                    login=data["login"],
                    name=data["person"],
                    role=Role.COM_ADMIN,
                    tenant=made,
                    email=data["email"],
                )
            )
        return made


class FirmViewForm(ObjectingForm):
    """Whether the firm may read the letters of its Com customer."""

    firm_reads_letters = forms.BooleanField(
        label=gettext_lazy("Our firm may read text and attachments of our mails"),
        required=False,
        help_text=gettext_lazy("For example while it helps with an error. It can be taken back at any time."),
    )

    def __init__(self, tenant: Tenant, data: QueryDict | None = None, **more: Any) -> None:
        self.tenant = tenant
        super().__init__(data, **more)

    def save(self, book: Book) -> None:
        """Write it, audited; inside a transaction."""
        changes.let_firm_read(book, self.tenant, allowed=self.cleaned_data["firm_reads_letters"])


class FirmForm(_TenantForm):
    """A firm."""

    def _save(self, book: Book) -> Tenant:
        self._refuse_taken()
        return changes.save_tenant(book, slug=self.cleaned_data["slug"], name=self.cleaned_data["name"], kind=TenantKind.FIRM)


class NewFirmForm(FirmForm):
    """A new firm with the person who sets everything else up."""

    login = login_field()
    person = forms.CharField(label=gettext_lazy("Name"), max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    email = contact_field()
    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        max_length=MAX_PASSWORD,
        required=False,
        help_text=gettext_lazy(
            "12 characters or more, to hand over in person. Empty: the administrator gets an invitation by mail and chooses one."
        ),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    @property
    def grouped_fields(self) -> list[dict[str, Any]]:
        text = _("Enters the mail server, creates users and Com customers.")
        return [
            self.group(_("Firm"), ["slug", "name"]),
            self.group(_("First administrator"), ["login", "person", "email", "password"], text=text),
        ]

    def clean(self) -> None:
        """The password is a good one."""
        data = self.cleaned_data
        somebody = User(login=data.get("login", ""), name=data.get("person", ""), email=data.get("email", ""))
        if not data.get("password") and not data.get("email") and "email" not in self.errors:
            self.add_error("email", _("The invitation needs an e-mail address."))
        if data.get("password"):
            try:
                validate_password(data["password"], somebody)
            except ValidationError as invalid:
                self.add_error("password", invalid)

    def _save(self, book: Book) -> Tenant:
        data = self.cleaned_data
        refuse_taken_login(data["login"])
        firm = super()._save(book)
        saved = changes.save_user(
            book,
            login=data["login"],
            name=data["person"],
            role=Role.FIRM_ADMIN,
            tenant=firm,
            email=data["email"],
            password=data["password"] or None,
        )
        if not data["password"]:
            book.invited.append(saved)
        return firm
