"""E-mail accounts: the list, and the form over one."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_tables2 import RequestConfig

from mailsettings.context_processors import url_of
from mailsettings.forms import AccountForm
from mailsettings.models import EmailAccount, Tenant
from mailsettings.portal import ROWS, SettingsPage, list_url, write
from mailsettings.tables import AccountTable
from mailsettings.usage import active_world, namings_of, uses_of


class Accounts(SettingsPage):
    """The e-mail accounts of a tenant."""

    template_name = "mailsettings/accounts.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = EmailAccount.objects.filter(tenant=self.tenant).select_related("user").prefetch_related("print_models")
        table = AccountTable(rows)
        RequestConfig(request, paginate={"per_page": ROWS}).configure(table)
        return self.show(table=table if rows else None)


class AccountPage(SettingsPage):
    """One account and the form over it."""

    template_name = "mailsettings/account.html"

    def answer(self, tenant: Tenant, account: EmailAccount | None) -> HttpResponse:
        form = AccountForm(tenant, self.reader, account, self.request.POST if self.request.method == "POST" else None)
        if form.is_bound and write(self.request, form, concerned=[tenant]):
            return redirect(list_url("accounts", tenant, self))
        uses = uses_of(account, active_world(tenant)) if account else []
        named = namings_of(account, uses) if account else []
        back = list_url("accounts", tenant, self)
        diagnosis_url = url_of("diagnosis")
        return self.show(
            form=form, tenant=tenant, account=account, uses=uses, named=named, back=back, diagnosis_url=diagnosis_url
        )


class AccountNew(AccountPage):
    """A new account."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.answer(self.chosen, None)

    post = get


class Account(AccountPage):
    """An existing account."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        account = self.one_of(EmailAccount.objects.select_related("tenant__firm", "user"), pk)
        return self.answer(account.tenant, account)

    post = get
