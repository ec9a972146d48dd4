"""The keys of a user's programs: made, shown once, revoked (Z15); and how the API is used."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from mailjobs import keys
from mailjobs.api.described import operations, schemas
from mailjobs.keys import Scope
from mailjobs.models import ApiKey
from mailsettings.core.header_text import has_invisible_character
from mailsettings.models import User
from mailsettings.portal import Page

SCOPES = {
    Scope.SUBMIT: gettext_lazy("Hand mail in, also over SMTP"),
    Scope.READ: gettext_lazy("Read mail jobs and the log"),
    Scope.MANAGE: gettext_lazy("Reset and withdraw mail"),
    Scope.EXPLAIN: gettext_lazy("Ask who would send as whom"),
    Scope.DIAGNOSE: gettext_lazy("Run the diagnosis"),
}
VALIDITIES = {
    "90": gettext_lazy("90 days"),
    "365": gettext_lazy("1 year"),
    "730": gettext_lazy("2 years"),
    "": gettext_lazy("until it is revoked"),
}


class KeyForm(forms.Form):
    """A new key; who makes it says their own password once more (Z13)."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("Which program uses it, for example “Invoicing”.")
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("May"),
        choices=list(SCOPES.items()),
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.SUBMIT, Scope.READ],
    )
    days = forms.ChoiceField(label=gettext_lazy("Valid for"), choices=list(VALIDITIES.items()), required=False, initial="365")
    password = forms.CharField(
        label=gettext_lazy("Your log-in password"),
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, reader: User, *args: Any, **more: Any) -> None:
        self.reader = reader
        super().__init__(*args, **more)

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if has_invisible_character(name):
            raise forms.ValidationError(_("The name contains characters that nobody sees."))
        return name

    @sensitive_variables()
    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        if not self.reader.check_password(password):
            raise forms.ValidationError(_("This is not your log-in password."))
        return password


class Keys(Page):
    """The keys of the reader, or of a user whom they manage."""

    template_name = "mailjobs/keys.html"

    def get(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        return self._page(self._person(pk), KeyForm(self.reader))

    @sensitive_variables("text")
    def post(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        person = self._person(pk)
        if "revoke" in request.POST:
            return self._revoke(person, request.POST["revoke"])
        form = KeyForm(self.reader, request.POST)
        if not form.is_valid():
            return self._page(person, form)
        given = form.cleaned_data
        until = timezone.now() + timedelta(days=int(given["days"])) if given["days"] else None
        _key, text = keys.make(
            self.reader, person, name=given["name"], scopes=[Scope(each) for each in given["scopes"]], expires_at=until
        )
        answer = self._page(person, KeyForm(self.reader), made={"text": text, "name": given["name"]})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _revoke(self, person: User, number: str) -> HttpResponse:
        key = (
            person.api_keys.filter(pk=int(number)).first() if number.isascii() and number.isdigit() and len(number) < 19 else None
        )
        if key is None:
            raise Http404
        keys.revoke(self.reader, key)
        messages.success(self.request, _("The key “%(name)s” is revoked: nobody gets in with it any more.") % {"name": key.name})
        return HttpResponseRedirect(self.request.path)

    def _person(self, pk: int | None) -> User:
        wanted = self.reader.pk if pk is None else pk
        person = keys.users_with_keys(self.reader).filter(pk=wanted).first() if wanted < 2**63 else None
        if person is None:
            raise Http404
        return person

    def _page(self, person: User, form: KeyForm, made: dict[str, str] | None = None) -> HttpResponse:
        own = person.pk == self.reader.pk
        rows = ApiKey.objects.filter(user=person).order_by("revoked_at", "-pk")
        return self.show(
            person=person,
            own=own,
            form=form,
            rows=[(row, [text for scope, text in SCOPES.items() if scope in row.scopes]) for row in rows],
            now=timezone.now(),
            address=self.request.build_absolute_uri("/api/v1/"),
            back="" if own else reverse("user", args=[person.pk]),
            made=made,
        )


class ApiDocumentation(Page):
    """How the API is used, from its own description."""

    template_name = "mailjobs/api.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        address = request.build_absolute_uri("/api/v1/")
        return self.show(operations=operations(), schemas=schemas(), scopes=SCOPES.items(), address=address)
