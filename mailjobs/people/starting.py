"""The first mail server and sender address of a tenant, in one form; the test mail (ui 9)."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.core.message import MessageInvalid, parse_message
from mailjobs.people.guessing import Guess
from mailjobs.submission import Result, submit
from mailsettings import changes
from mailsettings.changes import Book
from mailsettings.core.addresses import AddressInvalid, parse_recipient, parse_sender
from mailsettings.forms.fields import ObjectingForm
from mailsettings.models import Tenant, User

SMTP = 1  # the send system of a server that takes a password, in the background
_TLS = [("starttls", "STARTTLS"), ("implicit", "TLS"), ("off", gettext_lazy("No encryption"))]


class AddressForm(ObjectingForm):
    """The general sender address, by whose domain the server is guessed."""

    sender_address = forms.CharField(
        label=gettext_lazy("General sender address"),
        max_length=400,
        help_text=gettext_lazy("With or without a name, e.g. “Kanzlei Huber <office@kanzlei-huber.example>”."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_sender_address(self) -> str:
        text: str = self.cleaned_data["sender_address"].strip()
        try:
            parse_sender(text)
        except AddressInvalid as invalid:
            raise forms.ValidationError(_("This is no e-mail address that mail can carry.")) from invalid
        return text


class ServerForm(AddressForm):
    """The same with the server; what was guessed stands in its fields."""

    smtp_server = forms.CharField(
        label=gettext_lazy("Mail server (SMTP)"),
        max_length=253,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )
    smtp_port = forms.IntegerField(
        label=gettext_lazy("Port"), min_value=1, max_value=65535, widget=forms.TextInput(attrs={"inputmode": "numeric"})
    )
    smtp_tls = forms.ChoiceField(label=gettext_lazy("Encryption"), choices=_TLS)
    smtp_user = forms.CharField(
        label=gettext_lazy("User of the mail server"),
        max_length=320,
        required=False,
        help_text=gettext_lazy("Mostly the whole e-mail address. Empty: the server takes mail without a log-in."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )
    smtp_password = forms.CharField(
        label=gettext_lazy("Password of the mail server"),
        required=False,
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("It is stored sealed to this server and user, and never shown again."),
    )

    def __init__(self, tenant: Tenant, data: QueryDict | None = None, *, initial: dict[str, Any] | None = None) -> None:
        self.tenant = tenant
        super().__init__(data, initial=initial)

    def save(self, book: Book) -> None:
        """Write the general settings that stand here and leave all others; inside a transaction. Raises Refused."""
        data = self.cleaned_data
        typed = {key: data[key] for key in ("sender_address", "smtp_server", "smtp_port", "smtp_tls", "smtp_user") if data[key]}
        values = changes.own_values(self.tenant)
        values.pop("smtp_user", None)
        changes.save_parameters(book, self.tenant, {**values, "send_system": values.get("send_system", SMTP), **typed})
        if data["smtp_password"]:
            changes.save_secret(book, self.tenant, "smtp_password", data["smtp_password"])


class OwnSenderForm(ObjectingForm):
    """The own sender address of a user, and nothing else."""

    sender_address = forms.CharField(
        label=gettext_lazy("My sender address"),
        max_length=400,
        help_text=gettext_lazy("As recipients see it, with or without a name, e.g. “Mia Muster <mia@musterkunde.example>”."),
        widget=forms.TextInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
    )
    clean_sender_address = AddressForm.clean_sender_address

    def __init__(self, user: User, data: QueryDict | None = None) -> None:
        self.user = user
        super().__init__(data, initial={"sender_address": changes.own_values(user).get("sender_address", "")})

    def save(self, book: Book) -> None:
        """Write it; inside a transaction. Raises Refused."""
        values = {**changes.own_values(self.user), "sender_address": self.cleaned_data["sender_address"]}
        changes.save_parameters(book, self.user, values)
        changes.refuse_own_sender(self.user, changes.own_sender_of(self.user))


def filled_in(address: str, guess: Guess | None) -> dict[str, Any]:
    """What the fields show at first."""
    known = {"smtp_server": guess.server, "smtp_port": guess.port, "smtp_tls": guess.tls} if guess else {"smtp_port": 587}
    return {"sender_address": address, "smtp_user": parse_sender(address).address, **known}


class TestMailForm(ObjectingForm):
    """To whom the test mail goes; who is no administrator sends it to oneself (Z19)."""

    to = forms.CharField(
        label=gettext_lazy("To"),
        max_length=254,
        help_text=gettext_lazy("A mailbox that you can look into."),
        widget=forms.TextInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
    )

    def clean_to(self) -> str:
        text: str = self.cleaned_data["to"].strip()
        try:
            return parse_recipient(text).address
        except AddressInvalid as invalid:
            raise forms.ValidationError(_("This is no e-mail address.")) from invalid


def send_test_mail(user: User, to: str) -> Result | None:
    """Hand in one mail with a fixed text, the way all mail of this user goes; None where the address cannot be."""
    tenant = user.tenant.name if user.tenant else ""
    words = {"name": user.name, "tenant": tenant}
    text = (
        _("This is a test mail from the mail portal, sent by %(name)s (%(tenant)s). If you can read it, sending works.") % words
    )
    try:
        return submit(user, parse_message({"to": [to], "subject": _("Test mail from the mail portal"), "text": text}))
    except MessageInvalid:
        return None
