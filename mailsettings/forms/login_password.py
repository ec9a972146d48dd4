"""The log-in password once more, where a change lets mail out to real recipients (U2, Z13)."""

from django import forms
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from mailsettings.access import knows_password
from mailsettings.models import User

LOGIN_PASSWORD = "login_password"  # noqa: S105 (a field, no secret)


@sensitive_variables("typed")
def ask_login_password(form: forms.Form, reader: User) -> None:
    """Add the field to a form that is being cleaned, and object where it is empty or wrong."""
    form.fields[LOGIN_PASSWORD] = forms.CharField(
        label=_("Your log-in password"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=_("Needed to switch the redirect mode off: mail then goes to its real recipients."),
    )
    typed = form.data.get(LOGIN_PASSWORD, "")
    if not typed:
        form.add_error(LOGIN_PASSWORD, _("Enter your log-in password to switch the redirect mode off."))
    elif not knows_password(reader, typed):
        form.add_error(LOGIN_PASSWORD, _("This is not your log-in password."))
