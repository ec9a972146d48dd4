"""E-mail accounts and print models (A1, A2, M1, M2), and how a print model moves on the introduction ladder."""

from collections.abc import Iterator, Mapping

from django.utils.translation import gettext as _

from mailsettings.changes.book import Book, Objection, Refused, check_same_tenant, checked_sender, name_of, picture, store
from mailsettings.changes.claims import claim
from mailsettings.changes.parameters import clean_values, connection_warnings
from mailsettings.core.header_text import has_control_character
from mailsettings.core.placeholders import bad_places
from mailsettings.core.send_systems import Stage
from mailsettings.models import EmailAccount, PrintModel, PrintModelAccount, StageChoices, Tenant, User

STAGE_MOVED = "stage"  # the audit's action
_FIELDS = ("context", "account_id", "delivery_mode", "subject", "text", "html", "is_active")


def save_account(
    book: Book,
    *,
    tenant: Tenant,
    slug: str,
    sender_address: str,
    values: Mapping[str, object],
    user: User | None = None,
    active: bool | None = None,
) -> EmailAccount:
    """Create or update an e-mail account (A1). Raises Refused."""
    account = EmailAccount.objects.filter(tenant=tenant, slug=slug).first() or EmailAccount(tenant=tenant, slug=slug)
    check_same_tenant("user", user, tenant)
    other = EmailAccount.objects.filter(user=user).exclude(pk=account.pk).first() if user else None
    if other:
        message = _("The user ID %(user)s already has the account %(account)s.") % {"user": user, "account": other.slug}
        raise Refused([Objection("user", "user_has_account", message)])
    before = picture(account, "sender_address", "values", "user_id", "is_active") if account.pk else {}
    account.sender_address = checked_sender("sender_address", sender_address, required=True)
    account.values = clean_values(values, of_firm=False, of_account=True)
    account.user = user
    account.is_active = account.is_active if active is None else active
    store(account)
    after = picture(account, "sender_address", "values", "user_id", "is_active")
    book.note(tenant, "email_account", f"{tenant.slug}/{slug}", before, after)
    claim(book, tenant, "sender_address", [account.sender_address], [before.get("sender_address", "")])
    book.warnings.extend(connection_warnings(name_of(account), account.values))
    return account


def save_print_model(
    book: Book,
    *,
    tenant: Tenant,
    slug: str,
    account: EmailAccount | None,
    user_accounts: Mapping[User, EmailAccount],
    context: str = "",
    stage: str | None = None,
    delivery_mode: str = "as_parameters",
    subject: str = "",
    text: str = "",
    html: str = "",
    active: bool | None = None,
) -> PrintModel:
    """Create or update a print model with the accounts of users for it (M1, A2). Raises Refused.

    Without a stage it stays on its rung; a new one is live.
    """
    model = PrintModel.objects.filter(tenant=tenant, slug=slug).first() or PrintModel(tenant=tenant, slug=slug)
    check_same_tenant("account", account, tenant)
    for user, chosen in user_accounts.items():
        check_same_tenant("user_accounts", user, tenant)
        check_same_tenant("user_accounts", chosen, tenant)
    here = Stage(model.stage) if model.pk else None
    before = {**picture(model, *_FIELDS), "user_accounts": _user_accounts(model)} if model.pk else {}
    model.context, model.account, model.delivery_mode = context, account, delivery_mode
    model.subject, model.text, model.html = subject, text, html
    model.stage = model.stage if stage is None else stage
    model.is_active = model.is_active if active is None else active
    store(model)
    wanted = {user.login: chosen.slug for user, chosen in user_accounts.items()}
    if _user_accounts(model) != wanted:
        model.user_accounts.all().delete()
        PrintModelAccount.objects.bulk_create(
            PrintModelAccount(print_model=model, user=user, account=chosen) for user, chosen in user_accounts.items()
        )
    book.note(tenant, "print_model", name_of_model(model), before, {**picture(model, *_FIELDS), "user_accounts": wanted})
    _note_stage(book, model, here)
    if here is not None and Stage(model.stage).rung > here.rung:
        words = {"model": name_of_model(model), "before": StageChoices(here).label, "after": StageChoices(model.stage).label}
        book.warnings.append(_("The print model %(model)s moves up, from “%(before)s” to “%(after)s”.") % words)
    return model


def move_stage(book: Book, model: PrintModel, stage: Stage, *, why: str = "") -> PrintModel:
    """Move a print model on the introduction ladder: one rung up, or down to any; why is kept with who did it. Raises Refused."""
    # Not FOR UPDATE: mails that are being stored under the policies of now hold the key of this row.
    rows = PrintModel.objects.select_for_update(of=("self",), no_key=True).select_related("tenant__firm")
    moved = rows.get(pk=model.pk)
    here = Stage(moved.stage)
    if not here.leads_to(stage):
        words = {"here": StageChoices(here).label}
        message = _("The print model stands at “%(here)s” now. From there it moves one rung up, or down to any.") % words
        raise Refused([Objection("stage", "not_the_next_rung", message)])
    moved.stage = stage.value
    store(moved)
    _note_stage(book, moved, here, why=why)
    return moved


def template_objections(*, subject: str = "", text: str = "", html: str = "") -> list[Objection]:
    """Why templates cannot be filled in: what looks like a placeholder and is none (M1, Z9), a subject of several lines (Z3)."""
    return [*_placeholder_objections(subject=subject, text=text, html=html), *_subject_objections(subject)]


def name_of_model(model: PrintModel) -> str:
    """How the audit names a print model."""
    return f"{model.tenant.slug}/{model.slug}"


def _note_stage(book: Book, model: PrintModel, here: Stage | None, *, why: str = "") -> None:
    """Audit a move by itself, so that the ladder's history is told from these events; mail about to go looks again (U2, U4)."""
    if here == model.stage:
        return
    after = {"stage": str(model.stage), **({"why": why} if why else {})}
    book.note(model.tenant, STAGE_MOVED, name_of_model(model), {"stage": here.value} if here else {}, after)
    if here is not None:
        book.policy_changed(model.tenant)


def _placeholder_objections(**templates: str) -> Iterator[Objection]:
    for name, template in templates.items():
        if bad := bad_places(template, html=name == "html"):
            words = {"places": " · ".join(bad[:5])}
            message = _("A placeholder is a name of letters, digits and _ in double braces, as in {{ number }}. Not: %(places)s")
            yield Objection(name, "placeholder_invalid", message % words)


def _subject_objections(subject: str) -> Iterator[Objection]:
    if has_control_character(subject):
        message = _("The subject contains a line break or another control character. Write it in one line.")
        yield Objection("subject", "control_character", message)


def _user_accounts(model: PrintModel) -> dict[str, str]:
    return dict(model.user_accounts.values_list("user__login", "account__slug"))
