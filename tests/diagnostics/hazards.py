"""A configuration in which the advisor finds nothing, and how each hazard is planted into it."""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from mailjobs.models import Incident, MailJob, SharedConnection
from mailjobs.submission import submit_many
from mailsettings.configuration import import_document
from mailsettings.models import ClaimedAddress, Consent, Installation, ParameterSet, Secret, Tenant, User
from tests.cast import document, invoice, user

SERVER = {"smtp_server": "mail.kanzlei-huber.example", "smtp_user": "relay", "smtp_password": "s3cret-of-huber"}


def clean() -> dict[str, Any]:
    """Everybody linked, everybody with an own address, an encrypted server, no redirect."""
    entry = document(parameters=SERVER)["firms"][0]
    entry["employees"].append({"id": "2", "name": "Bernd Moser", "email": "bernd@kanzlei-huber.example", "user": "bernd"})
    entry["users"][2]["parameters"] = {"sender_address": "stapel@kanzlei-huber.example"}
    muster, beispiel = entry["com_customers"]
    muster["employees"] = [
        {"id": "1", "name": "Max Muster", "email": "max@musterkunde.example", "user": "max"},
        {"id": "2", "name": "Mia Muster", "email": "mia@musterkunde.example", "user": "mia"},
    ]
    beispiel["parameters"] = {"sender_address": "office@beispiel.example"}
    return {"version": 1, "firms": [entry]}


def firm(changes: Callable[[dict[str, Any]], None]) -> Callable[[], str]:
    """Plant by another configuration of the firm; the advisor is asked about the firm."""

    def plant() -> str:
        whole = deepcopy(clean())
        changes(whole["firms"][0])
        import_document(whole, actor="test")
        return "huber"

    return plant


def settings(**values: Any) -> Callable[[], str]:
    return firm(lambda entry: entry["parameters"].update(values))


def com(changes: Callable[[dict[str, Any]], None]) -> Callable[[], str]:
    """The same at the Com customer Muster."""
    return at(firm(lambda entry: changes(entry["com_customers"][0])), "muster")


def at(plant: Callable[[], str], tenant: str) -> Callable[[], str]:
    """The same, but the advisor is asked about another tenant."""

    def planted() -> str:
        plant()
        return tenant

    return planted


def later(change: Callable[[], object], tenant: str = "huber") -> Callable[[], str]:
    """Plant what no configuration can hold, into a clean one."""

    def plant() -> str:
        import_document(clean(), actor="test")
        change()
        return tenant

    return plant


def connection(**values: Any) -> Callable[[], str]:
    key = "mail.kanzlei-huber.example:587|relay|0"
    return later(partial(SharedConnection.objects.update_or_create, key=key, defaults=values))


def account(**values: Any) -> Callable[[], str]:
    row = {"id": "rechnungen", "sender_address": "rechnungen@kanzlei-huber.example", "user": "bernd", **values}
    return firm(lambda entry: entry["email_accounts"].append(row))


def _without(entry: dict[str, Any], *keys: str) -> None:
    for key in keys:
        entry["parameters"].pop(key, None)


def _consent(**values: Any) -> Callable[[], str]:
    def change() -> None:
        held = ParameterSet.objects.get(tenant__slug="huber")
        secret = Secret.objects.create(parameter_set=held, key="oauth_refresh_token", sealed=b"x", binding="x")
        moment = timezone.now()
        Consent.objects.create(
            secret=secret, **{"mailbox": "a@x.example", "given_by": "anna", "given_at": moment, "renewed_at": moment, **values}
        )

    return later(change)


def _unreadable() -> None:
    held = ParameterSet.objects.get(tenant__slug="huber")
    ParameterSet.objects.filter(pk=held.pk).update(values={**held.values, "redirect_enabled": "perhaps"})


def _leaver() -> None:
    User.objects.filter(login="stapel").update(is_active=False)


def _unconfirmed() -> None:
    ClaimedAddress.objects.filter(tenant__slug="muster").update(confirmed_at=None)


def _foreign() -> None:
    ParameterSet.objects.filter(user__login="max").update(values={"sender_address": "office@kanzlei-huber.example"})


def _no_sender(entry: dict[str, Any]) -> None:
    _without(entry, "sender_address")
    entry["users"][2].pop("parameters")


def _other_sender(entry: dict[str, Any]) -> None:
    entry["parameters"]["check_sender"] = True
    entry["users"][1]["parameters"] = {"sender_address": "other@kanzlei-huber.example", "update_sender_from_employee": False}


def _free_mail(entry: dict[str, Any]) -> None:
    entry["parameters"]["sender_address"] = "kanzlei.huber@gmx.at"
    entry["users"][2].pop("parameters")


def _no_employee(entry: dict[str, Any]) -> None:
    entry["parameters"]["check_sender"] = True
    entry["employees"].pop()


def _as_firm(entry: dict[str, Any]) -> None:
    entry["com_customers"][1].pop("parameters")


def _incident() -> None:
    tenant = Tenant.objects.get(slug="huber")
    row = Incident.objects.create(tenant=tenant, cause="x", reason="login_refused", error="535 5.7.8 no")
    Incident.objects.filter(pk=row.pk).update(first_at=timezone.now() - timedelta(days=2))


def _waiting() -> None:
    submit_many(user("bernd"), [invoice(1)])
    MailJob.objects.update(due_at=timezone.now() - timedelta(minutes=10))


def _held() -> None:
    submit_many(user("bernd"), [invoice(1)])
    MailJob.objects.update(state="held", held_for="approver", created_at=timezone.now() - timedelta(days=3))


HAZARDS: dict[str, Callable[[], str]] = {
    "no_general_sender": firm(lambda entry: _without(entry, "sender_address")),
    "sends_as_firm": at(firm(_as_firm), "beispiel"),
    "no_sender": firm(_no_sender),
    "check_sender_no_employee": firm(_no_employee),
    "check_sender_address": firm(_other_sender),
    "employees_without_address": firm(lambda entry: entry["employees"][1].update(email="")),
    "address_twice": firm(lambda entry: entry["employees"][1].update(email="anna@kanzlei-huber.example")),
    "service_user_settings": firm(lambda entry: entry["users"][2].pop("parameters")),
    "address_unconfirmed": later(_unconfirmed, "muster"),
    "foreign_address": later(_foreign, "muster"),
    "free_mail_sender": firm(_free_mail),
    "redirect_on": settings(redirect_enabled=True, redirect_addresses=["test@kanzlei-huber.example"]),
    "redirect_dummy": settings(redirect_enabled=True),
    "redirect_captures": settings(redirect_enabled=True, redirect_capture_only=True, redirect_addresses=["t@x.example"]),
    "redirect_unreadable": later(_unreadable),
    "stage_unfinished": firm(lambda entry: entry["print_models"][0].update(stage="held")),
    "leavers_named": later(_leaver),
    "account_unused": account(user=None),
    "no_connection": firm(lambda entry: _without(entry, *SERVER)),
    "secret_needed": firm(lambda entry: _without(entry, "smtp_password")),
    "shared_identity": settings(send_system=3, confirm_shared_identity=True),
    "direct_for_com": com(lambda entry: entry["parameters"].update(send_system=0)),
    "no_tls": settings(smtp_tls="off"),
    "plain_auth": settings(smtp_tls="off", allow_plain_auth=True),
    "plain_auth_allowed": settings(allow_plain_auth=True),
    "port_and_tls": settings(smtp_port=465),
    "basic_auth_retired": settings(smtp_server="smtp.office365.com"),
    "ews_retired": settings(send_system=7, ews_url="https://outlook.office365.com/EWS/Exchange.asmx"),
    "ntlm_retired": settings(send_system=5),
    "login_paused": connection(paused_at=timezone.now(), paused_reply="535 no"),
    "server_unreachable": connection(breaker_open=True),
    "consent_refused": _consent(refusal="invalid_grant"),
    "consent_idle": _consent(renewed_at=timezone.now() - timedelta(days=70)),
    "no_logging": settings(log_background_sends=False),
    "unknown_policy": settings(unknown_policy="resend"),
    "networks_wide": settings(allowed_networks=["10.0.0.0/8"]),
    "incident_open": later(_incident),
    "mails_forgotten": later(_held),
    "no_worker": later(_waiting),
    "database_copied": later(partial(Installation.objects.update_or_create, pk=1, defaults={"name": "elsewhere"})),
}
