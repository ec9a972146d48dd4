"""Users: the list with what still names who has left, the form over one, and the user's own settings (T2, T4, T6, P4)."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django_tables2 import RequestConfig

from mailsettings.core.facts import Request
from mailsettings.core.sender import decide_sender
from mailsettings.forms import Sheet, UserForm, sheet_of_user
from mailsettings.leavers import Mention, mentions_of, still_named
from mailsettings.models import Employee, ParameterSet, Tenant, User
from mailsettings.portal import ROWS, SettingsPage, list_url, write
from mailsettings.selectors import world_of
from mailsettings.tables import UserRow, UserTable
from mailsettings.views.parameters import ParameterPage

DEACTIVATED = "deactivated"


class Users(SettingsPage):
    """The users of a tenant, searched by user-ID, name, address or employee, and who has left and is still named."""

    template_name = "mailsettings/users.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        query, left = request.GET.get("q", "").strip(), request.GET.get("show") == DEACTIVATED
        everybody = list(User.objects.filter(tenant=self.tenant).select_related("deputy")) if self.tenant else []
        shown = [user for user in everybody if user.is_active is not left]
        table = UserTable(_search(self._rows(shown), query))
        RequestConfig(request, paginate={"per_page": ROWS}).configure(table)
        kept = {"tenant": self.chosen.slug} if self.tenant and self.elsewhere else {}
        return self.show(
            table=table,
            query=query,
            left=left,
            total=len(everybody),
            here=len(shown),
            found=len(table.data),
            keep=[*kept.items(), *([("show", DEACTIVATED)] if left else [])],
            tabs=_tabs(everybody, left=left, kept={**kept, **({"q": query} if query else {})}),
            leavers=still_named(self.tenant) if self.tenant else [],
        )

    def _rows(self, users: list[User]) -> list[UserRow]:
        if self.tenant is None:
            return []
        employees = {row.user_id: row for row in Employee.objects.filter(tenant=self.tenant)}
        sets = ParameterSet.objects.filter(user__in=users).values_list("user_id", "values")
        senders = {user_id: values.get("sender_address", "") for user_id, values in sets}
        of_firm = firm_addresses(self.tenant, users)
        return [
            UserRow(
                user,
                str(user.get_role_display()),
                employees.get(user.pk),
                senders.get(user.pk, ""),
                of_firm.get(user.login, ""),
            )
            for user in users
        ]


class UserPage(SettingsPage):
    """One user and the form over them."""

    template_name = "mailsettings/user.html"

    def answer(self, tenant: Tenant, user: User | None) -> HttpResponse:
        form = UserForm(tenant, self.reader, user, self.request.POST if self.request.method == "POST" else None)
        if form.is_bound and write(self.request, form):
            if user is not None and form.cleaned_data["password"]:
                self._keep_own_session(user)
            return redirect(list_url("users", tenant, self))
        return self.show(
            form=form,
            tenant=tenant,
            person=user,
            employee=Employee.objects.filter(user=user).first() if user else None,
            address_of_firm=firm_addresses(tenant, [user]).get(user.login) if user else None,
            mentions=_named(user),
            back=list_url("users", tenant, self),
        )

    def _keep_own_session(self, user: User) -> None:
        """Who replaces their own password stays logged in here, and is logged out everywhere else."""
        if user.pk == self.reader.pk:
            update_session_auth_hash(self.request, User.objects.get(pk=user.pk))


class UserNew(UserPage):
    """A new user."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.answer(self.chosen, None)

    post = get


class UserEdit(UserPage):
    """An existing user."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        user = _user_for(self, pk)
        return self.answer(_tenant_of(user), user)

    post = get


class UserSettings(ParameterPage):
    """A user's own settings, as an administrator sees and sets them."""

    template_name = "mailsettings/user_settings.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request)  # `pk` is in self.kwargs; pages of parameters take no argument

    @cached_property
    def person(self) -> User:
        return _user_for(self, self.kwargs["pk"])

    def sheet(self) -> Sheet:
        return sheet_of_user(self.person, self.reader)

    def after(self) -> str:
        return reverse("user", args=[self.person.pk])

    def get_context_data(self, **shown: Any) -> dict[str, Any]:
        tenant = _tenant_of(self.person)
        of_firm = firm_addresses(tenant, [self.person]).get(self.person.login)
        return super().get_context_data(**shown, person=self.person, tenant=tenant, address_of_firm=of_firm, back=self.after())


def firm_addresses(tenant: Tenant, users: Iterable[User]) -> dict[str, str]:
    """User-ID → the firm's address that mail of a Com customer's user would carry, with a print model or without (P4, P8)."""
    if not tenant.is_com_customer:
        return {}
    world = world_of(tenant, [user for user in users if user.is_active])
    models = [slug for slug, model in world.print_models.items() if model.active]
    found: dict[str, str] = {}
    for login in world.users:
        for model in (None, *models):
            facts = world.facts_for(login, Request(print_model=model))
            decision = decide_sender(facts, client_possible=not facts.unattended)
            if decision.from_firm and decision.offer and login not in found:
                found[login] = decision.mailbox.address if decision.mailbox else decision.offer.address
    return found


def _user_for(page: SettingsPage, pk: int) -> User:
    """A user of a tenant that the reader may see, else 404; operators are none."""
    user = page.one_of(User.objects.select_related("tenant__firm", "deputy"), pk)
    _tenant_of(user)
    return user


def _tenant_of(user: User) -> Tenant:
    if user.tenant is None:
        raise Http404
    return user.tenant


def _named(user: User | None) -> tuple[Mention, ...]:
    return mentions_of(user) if user is not None and not user.is_active else ()


def _tabs(everybody: list[User], *, left: bool, kept: dict[str, str]) -> list[dict[str, Any]]:
    gone = sum(not user.is_active for user in everybody)
    return [
        {"label": _("Active"), "url": f"?{urlencode(kept)}", "count": len(everybody) - gone, "active": not left},
        {"label": _("Deactivated"), "url": f"?{urlencode({**kept, 'show': DEACTIVATED})}", "count": gone, "active": left},
    ]


def _search(rows: list[UserRow], query: str) -> list[UserRow]:
    """Users with all words in user-ID, name, role, addresses or employee."""
    words = query.casefold().split()
    return [row for row in rows if all(word in _text_of(row) for word in words)]


def _text_of(row: UserRow) -> str:
    employee = [row.employee.name, *row.employee.addresses] if row.employee else []
    texts = (row.user.login, row.user.name, row.user.email, row.role, row.sender, row.firm_address, *employee)
    return " ".join(texts).casefold()
