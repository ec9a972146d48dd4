"""Users: who they are, how they log in, who stands in for them (T2, T6)."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsettings import changes
from mailsettings.changes import Book, Objection, Refused
from mailsettings.core.send_systems import Role
from mailsettings.forms.fields import ObjectingForm, contact_field, login_field
from mailsettings.leavers import mentions_of
from mailsettings.models import RoleChoices, Tenant, User

_FIELDS = ("login", "name", "email", "role", "language", "deputy", "is_active")
MAX_PASSWORD = 1024


class UserForm(ObjectingForm):
    """One user; nobody changes their own role, nor deactivates themselves."""

    login = login_field()
    name = forms.CharField(label=gettext_lazy("Name"), max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    email = contact_field()
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        help_text=gettext_lazy("Administrators manage settings and people; a batch user sends in unattended runs."),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"), required=False, help_text=gettext_lazy("Of the portal, for this user.")
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        strip=False,
        max_length=MAX_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    invite = forms.BooleanField(
        label=gettext_lazy("Invite by mail"),
        required=False,
        help_text=gettext_lazy("A link to the e-mail address above, with which this person chooses the password."),
    )
    no_password = forms.BooleanField(
        label=gettext_lazy("Take the password away"),
        required=False,
        help_text=gettext_lazy("Then nobody can log in with this user ID; batch runs go on."),
    )
    deputy = forms.ModelChoiceField(
        User.objects.none(),
        label=gettext_lazy("Deputy"),
        required=False,
        empty_label=gettext_lazy("Nobody: then the administrators"),
        help_text=gettext_lazy(
            "Sees and resets this user's mail jobs, and takes them over when the user is deactivated; of a batch user, "
            "the deputy is told of failures."
        ),
    )
    is_active = forms.BooleanField(
        label=gettext_lazy("Active"),
        required=False,
        initial=True,
        help_text=gettext_lazy(
            "A deactivated user cannot log in or send; their mail jobs pass to the deputy or the administrators."
        ),
    )

    def __init__(self, tenant: Tenant, reader: User, user: User | None, data: QueryDict | None = None) -> None:
        self.tenant, self.reader, self.user = tenant, reader, user
        self.was_active = user is not None and user.is_active
        super().__init__(data, initial={name: getattr(user, name) for name in _FIELDS} if user else None)
        self._offer(user)
        if user is not None:
            self.fields["login"].disabled = True
            del self.fields["invite"]  # its own page invites again
        if user == reader:
            for name in ("role", "is_active"):
                self.fields[name].disabled = True
                self.fields[name].help_text = _("Another administrator changes this for you.")
        if user is None or user == reader or not user.has_usable_password():
            del self.fields["no_password"]

    def _offer(self, user: User | None) -> None:
        """The choices of this tenant, and what is known of the password."""
        roles = [(role.value, RoleChoices(role).label) for role in changes.roles_at(self.tenant)]
        languages = [("", _("As the browser says")), *settings.LANGUAGES]
        for name, choices in (("role", roles), ("language", languages)):
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = choices
        if user is None:
            self.fields["role"].initial = roles[1][0]
        deputies = self.fields["deputy"]
        if isinstance(deputies, forms.ModelChoiceField):
            known = Q(pk=user.deputy_id) if user and user.deputy_id else Q(pk=None)
            there = Q(is_active=True) & ~Q(role=Role.SERVICE_USER)
            rows = self.tenant.users.filter(there | known).order_by("login")
            deputies.queryset = rows.exclude(pk=user.pk) if user else rows
        self.fields["password"].help_text = _say_password(user)

    @property
    def grouped_fields(self) -> list[dict[str, Any]]:
        return [
            self.group(_("User"), ["login", "name", "email", "role", "language"]),
            self.group(_("Log-in"), ["invite", "password", "no_password", "is_active"]),
            self.group(_("Deputy"), ["deputy"]),
        ]

    def clean(self) -> None:
        """A password is a good one, and not set and taken away at once; who is invited has an address and can log in."""
        if self.cleaned_data.get("invite"):
            if not self.cleaned_data.get("email") and "email" not in self.errors:
                self.add_error("email", _("The invitation needs an e-mail address."))
            if self.cleaned_data.get("role") == Role.SERVICE_USER:
                self.add_error("invite", _("Nobody logs in as a batch user: there is nobody to invite."))
        typed = self.cleaned_data.get("password")
        if not typed:
            return
        if self.cleaned_data.get("no_password"):
            self.add_error("no_password", _("Either enter a password, or take it away."))
        data = self.cleaned_data
        somebody = User(login=data.get("login", ""), name=data.get("name", ""), email=data.get("email", ""))
        try:
            validate_password(typed, somebody)
        except ValidationError as invalid:
            self.add_error("password", invalid)

    def save(self, book: Book) -> User:
        """Write the user; inside a transaction. Raises Refused."""
        data = self.cleaned_data
        role = Role(data["role"])
        if self.user is None and User.objects.filter(login=data["login"]).exists():
            message = _("The user ID %(id)s is taken; user IDs are unique in the whole portal. Choose another.")
            raise Refused([Objection("login", "exists", message % {"id": data["login"]})])
        if self.user is not None:
            changes.refuse_losing_administrator(self.user, role=role, active=data["is_active"], actor=self.reader)
        saved = changes.save_user(
            book,
            login=data["login"],
            name=data["name"],
            role=role,
            tenant=self.tenant,
            email=data["email"],
            active=data["is_active"],
            language=data["language"],
        )
        if saved.deputy != data["deputy"]:
            changes.refuse_deputy(saved, data["deputy"])
            changes.set_deputy(book, saved, data["deputy"])
        if data.get("invite"):
            book.invited.append(saved)
        if data["password"] or data.get("no_password"):
            changes.set_password(book, saved, data["password"] or None)
        return saved

    def consequences(self, book: Book) -> Sequence[str]:
        """T6: what still names a user who is being deactivated; inside the transaction, when everything is saved."""
        if self.user is None or not self.was_active or self.cleaned_data["is_active"]:
            return ()
        left = User.objects.select_related("tenant__firm", "deputy").get(pk=self.user.pk)
        return [mention.text for mention in mentions_of(left)]


def _say_password(user: User | None) -> str:
    if user is None:
        return _("12 characters or more. Without one nobody can log in with this user ID, which is right for batch users.")
    if user.has_usable_password():
        return _("A password is set. Leave empty to keep it; what is entered here replaces it at once.")
    return _("No password is set, so nobody can log in with this user ID.")
