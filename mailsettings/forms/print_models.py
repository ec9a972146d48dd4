"""Print models: sender, delivery mode and templates of one kind of mail (M1, M2), and a move on the introduction ladder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from mailsettings import changes
from mailsettings.changes import Book, Objection, Refused
from mailsettings.core.placeholders import samples_for
from mailsettings.core.send_systems import DeliveryMode, Stage
from mailsettings.forms.fields import ObjectingForm
from mailsettings.forms.login_password import LOGIN_PASSWORD
from mailsettings.ladder import ARRIVALS, STAGE_TEXTS
from mailsettings.models import DeliveryModeChoices, EmailAccount, PrintModel, StageChoices, Tenant, User

MORE_ROWS, DROP_ROW, ROWS = "more_rows", "drop_row", "rows"
MOST_ROWS = 400
_FIELDS = ("slug", "context", "account", "delivery_mode", "subject", "text", "html", "is_active")
_TEMPLATES = ("subject", "text", "html")

DELIVERY_MODE_HELP = {
    DeliveryMode.AS_PARAMETERS: gettext_lazy(
        "With a mail server in force, the send option decides between server and mail client; without one, it is the mail client."
    ),
    DeliveryMode.BACKGROUND_SMTP: gettext_lazy(
        "Sent over the connection in force without anybody looking at it; never through the mail client."
    ),
    DeliveryMode.BACKGROUND_CLIENT: gettext_lazy("The finished mail waits for the user's own mail client, which sends it."),
    DeliveryMode.BACKGROUND_DRAFT: gettext_lazy(
        "The finished mail waits as a draft; the user looks at it in the own mail client and sends it there."
    ),
    DeliveryMode.FOREGROUND_MODAL: gettext_lazy(
        "The mail opens in the user's mail client, and must be sent or closed before work goes on."
    ),
    DeliveryMode.FOREGROUND: gettext_lazy("The mail opens in the user's mail client, and work can go on beside it."),
}
_DELIVERY_MODE_ADVICE = (
    gettext_lazy("Small and medium-sized firms start in the foreground, not modal."),
    gettext_lazy(
        "Large firms, where many people write invoices, start in the background as a draft, and change to sending in the "
        "background later."
    ),
    gettext_lazy("Who has long sent over a mail server and introduces a new module starts in the background as a draft, too."),
    gettext_lazy(
        "Through the mail client only where mails must be seen in its Sent folder; otherwise by the send system, with the "
        "logging of background mail switched on."
    ),
    gettext_lazy("Change how a module sends only together with whoever is responsible for the whole system."),
)


class AdvisedChoice(forms.ChoiceField):
    """A choice with a recommendation behind “More”."""

    more: SafeString | None = None


class AccountChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """An e-mail account, shown with its address."""

    def label_from_instance(self, obj: EmailAccount) -> str:
        return _say_account(obj)


@dataclass(frozen=True, slots=True)
class RowFields:
    """One line of the list of accounts per user."""

    number: int
    user: forms.BoundField
    account: forms.BoundField


class PrintModelForm(ObjectingForm):
    """A print model; a new one starts on a rung of the ladder, an existing one is moved there by `StageForm`.

    `only_rows`: a line for a user was added or taken out, and nothing is to be judged or saved yet.
    """

    slug = forms.CharField(
        label=gettext_lazy("ID"),
        max_length=64,
        help_text=gettext_lazy(
            "Letters, digits, dots, hyphens and underscores; programs name the print model by it, and it cannot be changed later."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    context = forms.CharField(
        label=gettext_lazy("Context"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("What is printed, such as invoices, reminders or payslips."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    is_active = forms.BooleanField(
        label=gettext_lazy("Active"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Mail by a deactivated print model is refused."),
    )
    stage = forms.ChoiceField(
        label=gettext_lazy("Introduction"),
        initial=Stage.DRAFT,
        help_text=gettext_lazy(
            "A new print model starts at the lowest rung, so that nothing reaches anybody before you have seen it; you move it "
            "up on its page."
        ),
        widget=forms.RadioSelect,
    )
    account = AccountChoice(
        EmailAccount.objects.none(),
        label=gettext_lazy("E-mail account"),
        required=False,
        empty_label=gettext_lazy("No account"),
        help_text=gettext_lazy("Its sender address goes before all others; without one, the next level decides."),
    )
    delivery_mode = AdvisedChoice(
        label=gettext_lazy("Delivery mode"), initial=DeliveryMode.AS_PARAMETERS, widget=forms.RadioSelect
    )
    subject = forms.CharField(
        label=gettext_lazy("Subject"), max_length=900, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    text = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=200_000,
        required=False,
        strip=False,
        help_text=gettext_lazy("What mail programs without HTML show; it goes out beside the HTML."),
        widget=forms.Textarea(attrs={"rows": 8}),
    )
    html = forms.CharField(
        label=gettext_lazy("HTML"),
        max_length=500_000,
        required=False,
        strip=False,
        help_text=gettext_lazy("Without HTML the mail goes out as plain text; without a text, one is made from the HTML."),
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )

    def __init__(self, tenant: Tenant, model: PrintModel | None, data: QueryDict | None = None) -> None:
        self.tenant, self.model = tenant, model
        self.only_rows = data is not None and bool({MORE_ROWS, DROP_ROW} & set(data))
        stored = {row.user_id: row.account_id for row in model.user_accounts.order_by("user__login")} if model else {}
        pairs = [(str(user), str(account)) for user, account in stored.items()] if data is None else _typed_pairs(data)
        if data is None:
            pairs.append(("", ""))
        else:
            data = _with_pairs(data, pairs)
        self.row_count = len(pairs)
        super().__init__(data, initial={name: getattr(model, name) for name in _FIELDS} if model else None)
        self.users = {str(user.pk): user for user in tenant.users.order_by("login")}
        self.accounts = {str(row.pk): row for row in tenant.email_accounts.order_by("slug")}
        self._offer(stored)
        for number, (user, account) in enumerate(pairs):
            self._add_row(number, user, account, stored)

    @property
    def rows(self) -> list[RowFields]:
        return [RowFields(number, self[f"user-{number}"], self[f"account-{number}"]) for number in range(self.row_count)]

    @property
    def grouped_fields(self) -> list[dict[str, Any]]:
        per_user = {
            "heading": _("Accounts per user"),
            "text": _("These users send by this print model with an account of their own, which goes before the one above."),
            "template": "mailsettings/print_model_rows.html",
        }
        return [
            self.group(_("Print model"), ["slug", "context", "is_active", "stage"]),
            self.group(_("Sender"), ["account"]),
            per_user,
            self.group(_("Delivery"), ["delivery_mode"]),
            self.group(_("Templates"), _TEMPLATES, text=self._say_placeholders()),
        ]

    def full_clean(self) -> None:
        super().full_clean()
        if self.only_rows:
            self.errors.clear()

    def clean_text(self) -> str:
        return _with_plain_line_ends(self.cleaned_data["text"])

    def clean_html(self) -> str:
        return _with_plain_line_ends(self.cleaned_data["html"])

    def clean(self) -> None:
        """Ask early what a template can be and who has two accounts, so that all errors show at once."""
        self.show_objections(Refused(changes.template_objections(**{name: self._typed(name) for name in _TEMPLATES})))
        seen: set[str] = set()
        for number in range(self.row_count):
            user, account = self._typed(f"user-{number}"), self._typed(f"account-{number}")
            if account and not user:
                self.add_error(f"user-{number}", _("Choose the user too, or empty the line."))
            if user and not account:
                self.add_error(f"account-{number}", _("Choose the account too, or empty the line."))
            if user and user in seen:
                self.add_error(f"user-{number}", _("This user already has a line. Keep one of them."))
            seen.add(user)

    def save(self, book: Book) -> PrintModel:
        """Write the print model; inside a transaction. Raises Refused."""
        data = self.cleaned_data
        if self.model is None and PrintModel.objects.filter(tenant=self.tenant, slug=data["slug"]).exists():
            raise Refused([Objection("slug", "exists", _("There is a print model with this ID already."))])
        pairs = [(data[f"user-{number}"], data[f"account-{number}"]) for number in range(self.row_count)]
        return changes.save_print_model(
            book,
            tenant=self.tenant,
            slug=data["slug"],
            context=data["context"],
            account=data["account"],
            user_accounts={self.users[user]: self.accounts[account] for user, account in pairs if user},
            stage=None if self.model else data["stage"],
            delivery_mode=data["delivery_mode"],
            subject=data["subject"],
            text=data["text"],
            html=data["html"],
            active=data["is_active"],
        )

    def _offer(self, stored: dict[int, int]) -> None:
        """The choices of this tenant; what is deactivated only where it stands already (A2)."""
        kept = {*stored.values(), self.model.account_id if self.model else None}
        account, mode, stage = self.fields["account"], self.fields["delivery_mode"], self.fields["stage"]
        if isinstance(account, AccountChoice):
            offered = [row.pk for row in self.accounts.values() if row.is_active or row.pk in kept]
            account.queryset = self.tenant.email_accounts.filter(pk__in=offered).order_by("slug")
        if isinstance(mode, AdvisedChoice):
            mode.choices = [
                (row.value, _with_help(row.label, DELIVERY_MODE_HELP[DeliveryMode(row)])) for row in DeliveryModeChoices
            ]
            mode.more = format_html_join("", "<p>{}</p>", ((sentence,) for sentence in _DELIVERY_MODE_ADVICE))
        if isinstance(stage, forms.ChoiceField):
            stage.choices = [(row.value, _with_help(row.label, STAGE_TEXTS[Stage(row)])) for row in StageChoices]
        if self.model is not None:
            self.fields["slug"].disabled = True
            del self.fields["stage"]

    def _add_row(self, number: int, user: str, account: str, stored: dict[int, int]) -> None:
        users = [(pk, _say_user(row)) for pk, row in self.users.items() if row.is_active or row.pk in stored]
        accounts = [(pk, _say_account(row)) for pk, row in self.accounts.items() if row.is_active or row.pk in stored.values()]
        for name, label, choices, initial in (
            (f"user-{number}", _("User %(number)s"), users, user),
            (f"account-{number}", _("Account %(number)s"), accounts, account),
        ):
            self.fields[name] = forms.ChoiceField(
                label=label % {"number": number + 1}, choices=[("", "–"), *choices], required=False, initial=initial
            )

    def _typed(self, name: str) -> str:
        return str(self.cleaned_data.get(name) or "")

    def _say_placeholders(self) -> str:
        """How a placeholder is written, and which ones stand in the templates as they are typed."""
        how = _("A placeholder such as {{ number }} is filled in for each mail; without a value for it the mail is refused.")
        found = samples_for(*(str(self[name].value() or "") for name in _TEMPLATES))
        there = _("Placeholders found: %(names)s.") % {"names": ", ".join(found)}
        return f"{how} {there}" if found else how


class StageForm(ObjectingForm):
    """A move on the ladder: up only after a yes to what follows, out of the redirection only with the log-in password."""

    to = forms.ChoiceField(choices=[(stage.value, stage.value) for stage in Stage], widget=forms.HiddenInput)
    why = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=500,
        required=False,
        help_text=gettext_lazy("Optional; it stays in the history beside your name."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, model: PrintModel, reader: User, data: QueryDict | None = None) -> None:
        self.model, self.reader = model, reader
        self.asked = data is not None and "foreseen" in data
        super().__init__(data)
        if self.target is not None and Stage(model.stage).ends_redirection(self.target):
            self.fields[LOGIN_PASSWORD] = forms.CharField(
                label=_("Your log-in password"),
                required=False,
                strip=False,
                widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
                help_text=_("Needed because mail that was redirected until now goes to real recipients from then on."),
            )

    @property
    def target(self) -> Stage | None:
        """Where it is to go, as posted."""
        to = self.data.get("to") if self.is_bound else None
        return Stage(to) if to in StageChoices.values else None

    @property
    def target_label(self) -> str:
        return str(StageChoices(self.target).label) if self.target else ""

    @sensitive_variables("typed")
    def clean(self) -> None:
        """The password is asked for together with the yes: a move up is never saved without one (`consequences`)."""
        if LOGIN_PASSWORD not in self.fields or not self.asked:
            return
        typed = self.cleaned_data.get(LOGIN_PASSWORD)
        if not typed:
            self.add_error(LOGIN_PASSWORD, _("Enter your log-in password to end the redirection."))
        elif not self.reader.check_password(typed):
            self.add_error(LOGIN_PASSWORD, _("This is not your log-in password."))

    def save(self, book: Book) -> PrintModel:
        """Move the print model; inside a transaction. Raises Refused."""
        return changes.move_stage(book, self.model, Stage(self.cleaned_data["to"]), why=self.cleaned_data["why"])

    def consequences(self, book: Book) -> Sequence[str]:
        """What a move up means, also where no cell of the matrix changes; a move down is made at once."""
        target = Stage(self.cleaned_data["to"])
        return [str(ARRIVALS[target])] if target.rung > Stage(self.model.stage).rung else ()

    def tell(self, book: Book) -> str:
        return _("The print model %(model)s stands at “%(stage)s” now.") % {
            "model": self.model.slug,
            "stage": self.target_label,
        }


def _typed_pairs(data: QueryDict) -> list[tuple[str, str]]:
    """The lines as posted, with one more or one less where that was asked for."""
    pairs = [(data.get(f"user-{number}", ""), data.get(f"account-{number}", "")) for number in range(_number(data.get(ROWS)))]
    if DROP_ROW in data and (dropped := _number(data.get(DROP_ROW))) < len(pairs):
        del pairs[dropped]
    if MORE_ROWS in data and len(pairs) < MOST_ROWS:
        pairs.append(("", ""))
    return pairs


def _with_pairs(data: QueryDict, pairs: Sequence[tuple[str, str]]) -> QueryDict:
    data = data.copy()
    for number, (user, account) in enumerate(pairs):
        data[f"user-{number}"], data[f"account-{number}"] = user, account
    return data


def _number(text: str | None) -> int:
    """A small number as posted; what is none counts as 0."""
    return min(int(text), MOST_ROWS) if text and text.isascii() and text.isdigit() and len(text) <= 4 else 0


def _with_plain_line_ends(text: str) -> str:
    """As an import has them; a browser posts two characters."""
    return text.replace("\r\n", "\n")


def _with_help(label: object, text: object) -> SafeString:
    return format_html('<span>{} <span class="choice-help">{}</span></span>', label, text)


def _say_user(user: User) -> str:
    return f"{user.login} ({user.name})" if user.is_active else _("%(user)s (deactivated)") % {"user": user.login}


def _say_account(account: EmailAccount) -> str:
    text = f"{account.slug}: {account.sender_address}"
    return text if account.is_active else _("%(account)s (deactivated)") % {"account": text}
