"""The lists of e-mail accounts and employees."""

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsettings.models import EmailAccount, Employee


def _column(label: object, *classes: str, **more: object) -> tables.Column:
    names = " ".join(classes)
    return tables.Column(verbose_name=label, attrs={"td": {"class": names}, "th": {"class": names}}, **more)


class AccountTable(tables.Table):  # type: ignore[misc]
    """E-mail accounts, with the server they use and who uses them."""

    sender_address = _column(gettext_lazy("Sender address"), "cell-primary")
    slug = _column(gettext_lazy("ID"))
    server = _column(gettext_lazy("Server"), "cell-clip", empty_values=(), accessor="pk")
    user = _column(gettext_lazy("Belongs to user ID"), default="")
    used_by = _column(gettext_lazy("Print models"), "cell-clip", empty_values=(), accessor="pk")
    is_active = _column(gettext_lazy("Active"), "cell-fit")

    class Meta:
        orderable = False

    def render_sender_address(self, record: EmailAccount) -> SafeString:
        return format_html('<a class="row-link" href="{}">{}</a>', reverse("account", args=[record.pk]), record.sender_address)

    def render_server(self, record: EmailAccount) -> str:
        return record.values.get("smtp_server") or _("as in the parameters")

    def render_used_by(self, record: EmailAccount) -> str:
        return ", ".join(model.slug for model in record.print_models.all())

    def render_is_active(self, value: bool) -> str:
        return _("yes") if value else _("no")


class EmployeeTable(tables.Table):  # type: ignore[misc]
    """Employees with their addresses and the linked user-ID."""

    name = _column(gettext_lazy("Name"), "cell-primary")
    email = _column(gettext_lazy("E-mail"), "cell-clip")
    additional_emails = _column(gettext_lazy("Further e-mail addresses"), "cell-clip", empty_values=())
    user = _column(gettext_lazy("Linked user ID"), empty_values=())
    is_active = _column(gettext_lazy("Active"), "cell-fit")

    class Meta:
        orderable = False

    def render_name(self, record: Employee) -> SafeString:
        return format_html('<a class="row-link" href="{}">{}</a>', reverse("employee", args=[record.pk]), record.name)

    def render_email(self, value: str) -> str:
        return value or "–"

    def render_additional_emails(self, record: Employee) -> SafeString:
        return format_html_join(", ", "{}", ((address,) for address in record.additional_emails))

    def render_user(self, record: Employee) -> SafeString | str:
        if record.user:
            return str(record.user)
        return format_html('<span class="tag tag-warning">{}</span>', _("not linked"))

    def render_is_active(self, value: bool) -> str:
        return _("yes") if value else _("no")
