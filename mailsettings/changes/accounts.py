"""E-mail accounts and print models (A1, A2, M1, M2)."""

from collections.abc import Mapping

from django.utils.translation import gettext as _

from mailsettings.changes.book import Book, Objection, Refused, check_same_tenant, checked_sender, name_of, picture, store
from mailsettings.changes.claims import claim
from mailsettings.changes.parameters import clean_values, connection_warnings
from mailsettings.models import EmailAccount, PrintModel, PrintModelAccount, Tenant, User


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
    stage: str = "live",
    delivery_mode: str = "as_parameters",
    subject: str = "",
    text: str = "",
    html: str = "",
    active: bool | None = None,
) -> PrintModel:
    """Create or update a print model with the accounts of users for it (M1, A2). Raises Refused."""
    model = PrintModel.objects.filter(tenant=tenant, slug=slug).first() or PrintModel(tenant=tenant, slug=slug)
    for chosen in [account, *user_accounts.values()]:
        check_same_tenant("account", chosen, tenant)
    fields = ("context", "account_id", "stage", "delivery_mode", "subject", "text", "html", "is_active")
    before = {**picture(model, *fields), "user_accounts": _user_accounts(model)} if model.pk else {}
    model.context, model.account, model.stage, model.delivery_mode = context, account, stage, delivery_mode
    model.subject, model.text, model.html = subject, text, html
    model.is_active = model.is_active if active is None else active
    store(model)
    wanted = {user.login: chosen.slug for user, chosen in user_accounts.items()}
    if _user_accounts(model) != wanted:
        model.user_accounts.all().delete()
        PrintModelAccount.objects.bulk_create(
            PrintModelAccount(print_model=model, user=user, account=chosen) for user, chosen in user_accounts.items()
        )
    book.note(tenant, "print_model", f"{tenant.slug}/{slug}", before, {**picture(model, *fields), "user_accounts": wanted})
    if before.get("stage", stage) != stage:
        book.policy_changed(tenant)
    return model


def _user_accounts(model: PrintModel) -> dict[str, str]:
    return dict(model.user_accounts.values_list("user__login", "account__slug"))
