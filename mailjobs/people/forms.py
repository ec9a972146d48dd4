"""Log-in, second step, passwords, preferences, the first operator and firm."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from mailjobs.people.limits import failed, minutes_to_wait, say_wait
from mailjobs.people.models import Preference
from mailsettings.changes import Refused
from mailsettings.models import User

MAX_PASSWORD = 1024


class PlainForm(forms.Form):
    """A short form whose fields are all needed, so that none is marked."""

    mark_required = False

    def show_objections(self, refused: Refused) -> None:
        """What `changes` refuses, at the fields it speaks of."""
        for objection in refused.objections:
            self.add_error(objection.field if objection.field in self.fields else None, objection.message)


class LoginForm(PlainForm):
    """User ID and password."""

    login = forms.CharField(
        label=gettext_lazy("User ID"),
        max_length=64,
        widget=forms.TextInput(
            attrs={"autocomplete": "username webauthn", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        max_length=MAX_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        self.request = request
        self.user: User | None = None
        super().__init__(*args, **kwargs)

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        login, password = self.cleaned_data.get("login"), self.cleaned_data.get("password")
        if login and password and self.request is not None:
            if minutes := minutes_to_wait(self.request, login):
                raise forms.ValidationError(say_wait(minutes))
            found = authenticate(self.request, username=login.strip().lower(), password=password)
            if not isinstance(found, User):
                failed(self.request, login)
                raise forms.ValidationError(_("User ID and password do not fit together, or the user is deactivated."))
            self.user = found
        return self.cleaned_data

    def get_user(self) -> User | None:
        return self.user


class CodeForm(PlainForm):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=32,
        help_text=gettext_lazy("Six digits from the authenticator app, or one of the recovery codes."),
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "text", "spellcheck": "false", "autocapitalize": "none"}
        ),
    )


class WhoForm(PlainForm):
    """Who has forgotten their password."""

    who = forms.CharField(
        label=gettext_lazy("User ID or e-mail address"),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )


class NewPasswordForm(PlainForm):
    """A password of one's own choice, twice."""

    password = forms.CharField(
        label=gettext_lazy("New password"),
        strip=False,
        max_length=MAX_PASSWORD,
        help_text=gettext_lazy("12 characters or more; several words are easier to remember than signs."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=gettext_lazy("The same again"),
        strip=False,
        max_length=MAX_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, user: User | None, data: Any = None, **more: Any) -> None:
        self.user = user
        super().__init__(data, **more)

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("password") and data.get("again") and data["password"] != data["again"]:
            self.add_error("again", _("The two passwords differ."))
        elif data.get("password"):
            try:
                validate_password(data["password"], self.about())
            except forms.ValidationError as invalid:
                self.add_error("password", invalid)
        return data

    def about(self) -> User | None:
        """Whose password it is to be: it must not resemble them."""
        return self.user


class ChangePasswordForm(NewPasswordForm):
    """The same by somebody who is logged in."""

    old = forms.CharField(
        label=gettext_lazy("Password until now"),
        strip=False,
        max_length=MAX_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("old", "password", "again")


class PreferenceForm(PlainForm):
    """How internal messages reach somebody outside the portal."""

    digest = forms.ChoiceField(
        label=gettext_lazy("Unread internal messages"),
        choices=Preference.Digest.choices,
        widget=forms.RadioSelect,
        help_text=gettext_lazy("In the portal each message is always shown. The mail only lists what is still unread."),
    )
