"""What is to be diagnosed."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from diagnostics.cases import Asked, own_address
from diagnostics.starting import users_to_diagnose
from mailjobs.models import MailJob
from mailsettings.core.addresses import AddressInvalid, parse_recipient
from mailsettings.models import EmailAccount, PrintModel, User

MODES = (
    ("", gettext_lazy("As the send system says")),
    ("direct", gettext_lazy("Direct")),
    ("async", gettext_lazy("Asynchronous: through queue and worker")),
)


class _People(forms.ModelChoiceField):  # type: ignore[type-arg] # Django's has none while it runs
    def label_from_instance(self, obj: User) -> str:
        named = f"{obj.name} ({obj.login})"
        return f"{named}, {obj.tenant.name}" if obj.tenant and obj.tenant.is_com_customer else named


class DiagnosisForm(forms.Form):
    """For administrators whose mail, with which account or print model; for everybody to whom and how.

    `job`: exactly this mail, then nothing else is to be chosen.
    """

    user = _People(User.objects.none(), label=gettext_lazy("User"), required=False, empty_label=None)
    account = forms.ModelChoiceField(
        EmailAccount.objects.none(),
        label=gettext_lazy("E-mail account"),
        required=False,
        empty_label=gettext_lazy("The one that is in force"),
        help_text=gettext_lazy("As if a print model named it."),
    )
    print_model = forms.ModelChoiceField(
        PrintModel.objects.none(), label=gettext_lazy("Print model"), required=False, empty_label=gettext_lazy("None")
    )
    to = forms.CharField(label=gettext_lazy("Recipient"), required=False, max_length=320)
    mode = forms.ChoiceField(label=gettext_lazy("Way"), choices=MODES, required=False)
    test_mail = forms.BooleanField(
        label=gettext_lazy("Send a test mail"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Some servers say only then whether they take a mail. Without it the last steps are not reached."),
    )

    def __init__(self, *args: Any, reader: User, job: MailJob | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.reader, self.job = reader, job
        self.people = users_to_diagnose(reader)
        self._choices()
        own = own_address(reader)
        if reader.role_enum.administers:
            said = _("Who gets the test mail; empty for your own address %(own)s.") if own else _("Who gets the test mail.")
        else:
            said = _("The server is only asked whether it takes mail for this address; the test mail goes to you: %(own)s.")
        self.fields["to"].help_text = said % {"own": own or "–"}
        if job is not None:
            self.fields["to"].help_text = _(
                "Empty: the server is asked for the mail's own recipients, the test mail goes to you."
            )

    def _choices(self) -> None:
        if self.job is not None:
            for name in ("user", "account", "print_model"):
                del self.fields[name]
            return
        tenants = self.people.values("tenant")
        self._offer("user", self.people)
        self._offer("account", EmailAccount.objects.filter(tenant__in=tenants, is_active=True).order_by("tenant", "slug"))
        self._offer("print_model", PrintModel.objects.filter(tenant__in=tenants, is_active=True).order_by("tenant", "slug"))
        if len(self.people) < 2:
            del self.fields["user"]

    def _offer(self, name: str, rows: QuerySet[Any]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = rows
            if name != "user" and not rows.exists():
                del self.fields[name]

    def clean_to(self) -> str:
        to = str(self.cleaned_data["to"]).strip()
        if not to:
            return ""
        try:
            return parse_recipient(to).address
        except AddressInvalid as invalid:
            raise forms.ValidationError(_("This is no valid address.")) from invalid

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        user = given.get("user") or self.reader
        for name, foreign in (
            ("account", _("This account belongs to another tenant than the user.")),
            ("print_model", _("This print model belongs to another tenant than the user.")),
        ):
            if given.get(name) is not None and given[name].tenant_id != user.tenant_id:
                self.add_error(name, foreign)
        if given.get("account") and given.get("print_model"):
            self.add_error("account", _("Choose an account or a print model: a print model names its account itself."))
        return given

    @property
    def asked(self) -> Asked:
        """Of a valid form."""
        given = self.cleaned_data
        common: dict[str, Any] = {"to": given["to"], "mode": given["mode"], "test_mail": given["test_mail"], "by": self.reader}
        if self.job is not None:
            return Asked(self.job.user, job=self.job, **common)
        user = given.get("user") or self.reader
        return Asked(user, account=given.get("account"), print_model=given.get("print_model"), **common)
