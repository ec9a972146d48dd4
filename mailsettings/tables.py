"""The lists of accounts, employees and users."""

from dataclasses import dataclass
from typing import Any

import django_tables2 as tables
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.template.loader import get_template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsettings.core.send_systems import Stage
from mailsettings.employee_columns import heading_of
from mailsettings.employee_report import STATUS_LABELS, Difference, Result, Status
from mailsettings.ladder import STAGE_ICONS, STAGE_STAMPS
from mailsettings.models import EmailAccount, Employee, PrintModel, User

PRIMARY = {"td": {"class": "cell-primary"}}
CLIP = {"td": {"class": "cell-clip"}}
FIT = {"td": {"class": "cell-fit"}}
WORDS = {"td": {"class": "cell-words"}}
NOTHING = "–"


class AccountTable(tables.Table):  # type: ignore[misc]
    """E-mail accounts: address, connection, who uses them."""

    slug = tables.Column(verbose_name=gettext_lazy("ID"), attrs=PRIMARY)
    sender_address = tables.Column(verbose_name=gettext_lazy("Sender"), attrs=FIT)
    server = tables.Column(
        verbose_name=gettext_lazy("Mail server"),
        accessor="values",
        order_by="values__smtp_server",
        attrs=CLIP,
        empty_values=(None,),
    )
    user = tables.Column(verbose_name=gettext_lazy("User ID"), accessor="user__login", default=NOTHING, attrs=FIT)
    used_by = tables.Column(
        verbose_name=gettext_lazy("Used by"), accessor="pk", orderable=False, attrs=CLIP, empty_values=(None,)
    )
    is_active = tables.Column(verbose_name=gettext_lazy("Active"), attrs=FIT)

    class Meta:
        caption = gettext_lazy("E-mail accounts")
        order_by = "slug"

    def render_slug(self, record: EmailAccount) -> SafeString:
        return format_html('<a class="row-link" href="{}">{}</a>', reverse("account", args=[record.pk]), record.slug)

    def render_server(self, record: EmailAccount) -> str:
        if server := record.values.get("smtp_server") or record.values.get("ews_url"):
            return str(server)
        return _("Borrowed, with its own log-in") if record.values.get("smtp_user") else _("Borrowed")

    def render_used_by(self, record: EmailAccount) -> str:
        return ", ".join(model.slug for model in record.print_models.all()) or NOTHING

    def render_is_active(self, value: Any) -> str:
        return _("Yes") if value else _("No")


class PrintModelTable(tables.Table):  # type: ignore[misc]
    """Print models: from which account, how, and how far they are introduced."""

    stage = tables.Column(verbose_name=gettext_lazy("Introduction"), attrs={"td": {"class": "cell-state"}})
    slug = tables.Column(verbose_name=gettext_lazy("ID"), attrs=PRIMARY)
    context = tables.Column(verbose_name=gettext_lazy("Context"), default=NOTHING, attrs=FIT)
    account = tables.Column(verbose_name=gettext_lazy("E-mail account"), accessor="account__slug", default=NOTHING, attrs=FIT)
    delivery_mode = tables.Column(verbose_name=gettext_lazy("Delivery mode"), attrs={"td": {"class": "cell-mode"}})
    is_active = tables.Column(verbose_name=gettext_lazy("Active"), attrs=FIT)

    class Meta:
        caption = gettext_lazy("Print models")
        order_by = "slug"

    def render_slug(self, record: PrintModel) -> SafeString:
        return format_html('<a class="row-link" href="{}">{}</a>', reverse("print_model", args=[record.pk]), record.slug)

    def render_stage(self, record: PrintModel) -> str:
        stage = Stage(record.stage)
        stamp = {"state": STAGE_STAMPS[stage], "icon": STAGE_ICONS[stage], "label": record.get_stage_display()}
        return get_template("components/state.html").render(stamp)

    def order_stage(self, rows: QuerySet[PrintModel], is_descending: bool) -> tuple[QuerySet[PrintModel], bool]:
        """By rung, not by letter."""
        rung = Case(*(When(stage=stage, then=Value(stage.rung)) for stage in Stage), output_field=IntegerField())
        return rows.order_by(rung.desc() if is_descending else rung.asc(), "slug"), True

    def render_is_active(self, value: Any) -> str:
        return _("Yes") if value else _("No")


class EmployeeTable(tables.Table):  # type: ignore[misc]
    """Employees: their addresses and the linked user-ID."""

    name = tables.Column(verbose_name=gettext_lazy("Name"), attrs=PRIMARY)
    email = tables.Column(verbose_name=gettext_lazy("E-mail"), default=NOTHING, attrs=FIT)
    additional_emails = tables.Column(verbose_name=gettext_lazy("Further addresses"), attrs=CLIP, empty_values=(None,))
    user = tables.Column(verbose_name=gettext_lazy("User ID"), accessor="user__login", default=NOTHING, attrs=FIT)
    is_active = tables.Column(verbose_name=gettext_lazy("Active"), attrs=FIT)

    class Meta:
        caption = gettext_lazy("Employees")
        order_by = "name"

    def render_name(self, record: Employee) -> SafeString:
        return format_html('<a class="row-link" href="{}">{}</a>', reverse("employee", args=[record.pk]), record.name)

    def render_additional_emails(self, value: list[str]) -> str:
        return ", ".join(value) or NOTHING

    def render_is_active(self, value: Any) -> str:
        return _("Yes") if value else _("No")


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as the list shows them; `firm_address`: what of the firm's their mail would carry (P4)."""

    user: User
    role: str
    employee: Employee | None = None
    sender: str = ""
    firm_address: str = ""


class UserTable(tables.Table):  # type: ignore[misc]
    """Users: who they are, with which address they send, who stands in for them."""

    login = tables.Column(
        verbose_name=gettext_lazy("User ID"), accessor="user__login", attrs={"td": {"class": "cell-primary cell-user"}}
    )
    name = tables.Column(verbose_name=gettext_lazy("Name"), accessor="user__name", attrs=WORDS)
    role = tables.Column(verbose_name=gettext_lazy("Role"), attrs=WORDS)
    employee = tables.Column(verbose_name=gettext_lazy("Employee"), accessor="employee__name", default=NOTHING, attrs=WORDS)
    sender = tables.Column(verbose_name=gettext_lazy("Own sender"), empty_values=(), attrs={"td": {"class": "cell-sender"}})
    deputy = tables.Column(verbose_name=gettext_lazy("Deputy"), accessor="user__deputy__login", default=NOTHING, attrs=FIT)
    is_active = tables.Column(verbose_name=gettext_lazy("Active"), accessor="user__is_active", attrs=FIT)

    class Meta:
        caption = gettext_lazy("Users")
        order_by = "login"

    def render_login(self, record: UserRow) -> SafeString:
        return format_html('<a class="row-link" href="{}">{}</a>', reverse("user", args=[record.user.pk]), record.user.login)

    def render_employee(self, record: UserRow, value: str) -> SafeString | str:
        if record.employee is None:
            return value
        return format_html('<a href="{}">{}</a>', reverse("employee", args=[record.employee.pk]), value)

    def render_sender(self, record: UserRow) -> SafeString | str:
        if not record.firm_address:
            return record.sender or NOTHING
        words = _("carries the firm's address %(address)s") % {"address": record.firm_address}
        return format_html('<span>{} <span class="is-warning">{}</span></span>', record.sender, words)

    def render_is_active(self, value: Any) -> str:
        return _("Yes") if value else _("No")


class ImportTable(tables.Table):  # type: ignore[misc]
    """What an import makes of each line of the file."""

    status = tables.Column(verbose_name=gettext_lazy("Result"), attrs={"td": {"class": "cell-state"}})
    line = tables.Column(verbose_name=gettext_lazy("Line"), attrs=FIT)
    number = tables.Column(verbose_name=gettext_lazy("Employee"), attrs={"td": {"class": "cell-name"}})
    differences = tables.Column(
        verbose_name=gettext_lazy("What changes"), attrs={"td": {"class": "cell-changes"}}, empty_values=()
    )

    class Meta:
        caption = gettext_lazy("Lines of the file")
        empty_text = gettext_lazy("No line is like this.")
        orderable = False

    def render_status(self, value: Status) -> SafeString:
        return format_html('<span class="tag import-{}">{}</span>', value.value, STATUS_LABELS[value])

    def render_number(self, record: Result) -> SafeString:
        return format_html("<span><b>{}</b> {}</span>", record.number, record.name)

    def render_differences(self, record: Result) -> SafeString | str:
        said = [("is-error", text) for text in record.objections]
        said += [("", _say_difference(difference)) for difference in record.differences]
        said += [("quiet", text) for text in record.consequences]
        said += [("is-warning", text) for text in record.warnings]
        return (
            format_html('<ul class="import-said">{}</ul>', format_html_join("", '<li class="{}">{}</li>', said))
            if said
            else NOTHING
        )


def _say_difference(difference: Difference) -> SafeString:
    heading = heading_of(difference.column)
    if difference.before == NOTHING:
        return format_html("{}: {}", heading, difference.after)
    return format_html("{}: {} → {}", heading, difference.before, difference.after)
