"""Random but valid configurations and cases: two firms, four Com customers, everything that decides about a sender."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

from tests.oracle.rules import Case

Document = dict[str, Any]
MODES = ("as_parameters", "background_smtp", "background_client", "background_draft", "foreground_modal", "foreground")
USUAL_MODES = ("as_parameters", "as_parameters", "background_smtp", *MODES)
STAGES = ("live", "live", "live", "live", "draft", "redirected", "held")
SYSTEMS = (0, 0, 0, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6, 7, 7, 8, 9, 9, 10, 11)
LOCKABLE = (
    "smtp_server", "smtp_server", "send_system", "sender_address", "always_use_sender_address", "check_sender", "send_option",
    "redirect_enabled", "redirect_addresses", "update_sender_from_employee",
)  # fmt: skip
IMPOSSIBLE = (
    "no address", "max@single", "a@ﬁrma.example", "a b@firma.example", "<@x.example:a@b.example>", "büro@firma.example",
    "a@firma.example.", "a@b@c.example", "Huber, Anna <anna@huber.example>", '"a b"@firma.example', "a..b@firma.example",
)  # fmt: skip


def configuration(seed: int) -> Document:
    """A configuration that an import accepts; the same seed gives the same."""
    chance = random.Random(seed)
    firms = []
    for name in ("huber", "moser"):
        firm = _tenant(chance, name, ("firm_admin", "firm_user"))
        firm["com_customers"] = [
            {
                **_tenant(chance, f"{name}{number}", ("com_admin", "com_user")),
                "sends_as_firm": chance.choice(("allow", "warn", "hold")),
            }
            for number in (1, 2)
        ]
        firms.append(firm)
    return {"version": 1, "firms": firms}


def moved(document: Mapping[str, Any], seed: int) -> Document:
    """The same with other endpoints here and there, and no secret in it: what was sealed may no longer fit (P5)."""
    chance = random.Random(seed)

    def holder(values: Mapping[str, Any]) -> Document:
        kept = {key: value for key, value in values.items() if key not in {"smtp_password", "oauth_client_secret"}}
        for key, other in (("smtp_server", "new.example"), ("smtp_port", 2525), ("smtp_tls", "implicit"), ("smtp_user", "new")):
            if key in kept and chance.random() < 0.15:
                kept[key] = other
        return kept

    def tenant(entry: Mapping[str, Any]) -> Document:
        return {
            **entry,
            "parameters": holder(entry["parameters"]),
            "users": [{**user, "parameters": holder(user["parameters"])} for user in entry["users"]],
            "email_accounts": [holder(account) for account in entry["email_accounts"]],
            **({"com_customers": [tenant(row) for row in entry["com_customers"]]} if "com_customers" in entry else {}),
        }

    return {"version": 1, "firms": [tenant(firm) for firm in document["firms"]]}


def cases(document: Mapping[str, Any], seed: int, number: int) -> list[Case]:
    """Random questions about a configuration."""
    chance = random.Random(seed)
    tenants = list(_tenants(document))
    everywhere = [account["sender_address"] for tenant in tenants for account in tenant["email_accounts"]]
    everywhere += [row["email"] for tenant in tenants for row in tenant["employees"] if row["email"]]
    found = []
    for _ in range(number):
        tenant = chance.choice(tenants)
        user = chance.choice(tenant["users"])
        linked = [row for row in tenant["employees"] if row["user"] == user["id"]]
        own = [address for row in linked for address in (row["email"], *row["additional_emails"]) if address]
        passed = chance.choice((None, None, _free(tenant), *own, chance.choice(IMPOSSIBLE), chance.choice(everywhere)))
        models = [row["id"] for row in tenant["print_models"]]
        found.append(
            Case(
                user["id"],
                chance.choice((*models, *models, None, "nowhere")),
                _in_other_words(chance, passed),
                chance.choice((None, "crm")),
                unattended=chance.random() < 0.3,
            )
        )
    return found


def _tenants(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for firm in document["firms"]:
        yield firm
        yield from firm["com_customers"]


def _free(tenant: Mapping[str, Any]) -> str:
    return f"frei@{tenant['id']}.example"


def _in_other_words(chance: random.Random, address: str | None) -> str | None:
    """The same mailbox, written otherwise (C4)."""
    if address is None or "<" in address or address in IMPOSSIBLE:
        return address
    return chance.choice((address, address, address.upper(), f"Büro <{address}>", f'"Huber, Büro" <{address}>', f" {address} "))


def _tenant(chance: random.Random, name: str, roles: tuple[str, str]) -> Document:
    com = roles[0] == "com_admin"
    logins = [f"{name}.{person}" for person in ("ada", "ben", "cid", "dea", "stapel")]
    users = [
        {
            "id": login,
            "name": login.title(),
            "email": chance.choice(("", f"{login}@privat.example")),
            "role": "service_user" if login.endswith("stapel") else roles[0] if login.endswith("ada") else chance.choice(roles),
            "active": chance.random() > 0.12,
            "parameters": _parameters(chance, login, name, richness=0.2, address=0.35),
        }
        for login in logins
    ]
    accounts = _accounts(chance, name, logins)
    return {
        "id": name,
        "name": name.title(),
        "parameters": _parameters(chance, name, name, richness=0.25 if com else 0.9, address=0.3 if com else 0.7)
        | ({"update_sender_from_employee": False} if chance.random() < (0.3 if com else 0.7) else {}),
        "locked": chance.sample(LOCKABLE, chance.choice((0, 0, 0, 1, 2))),
        "locked_by_operator": chance.sample(LOCKABLE, chance.choice((0, 0, 0, 0, 1))),
        "users": users,
        "employees": _employees(chance, name, logins),
        "email_accounts": accounts,
        "print_models": [_print_model(chance, number, logins, [row["id"] for row in accounts]) for number in range(6)],
    }


def _parameters(chance: random.Random, owner: str, tenant: str, *, richness: float, address: float) -> Document:
    """`richness` and `address`: how probable a connection and a sender address are."""
    values: Document = _connection(chance, owner) if chance.random() < richness else {}
    if not values and chance.random() < 0.3:
        values = {"smtp_user": owner, "smtp_password": "secret-" + owner}
    if chance.random() < address:
        values["sender_address"] = chance.choice(
            (
                *[f"{owner}@{tenant}.example", f"{owner.title()} <{owner}@bücher-{tenant}.example>"] * 4,
                "account0@huber.example",  # another tenant's, save for one (P8)
                "account1@moser1.example",
            )
        )
    values |= _sometimes(chance, 0.25, send_system=chance.choice(SYSTEMS), send_option=chance.choice(("smtp", "client")))
    values |= _sometimes(chance, 0.18, always_use_sender_address=chance.random() < 0.6, redirect_enabled=chance.random() < 0.3)
    values |= _sometimes(chance, 0.1, check_sender=chance.random() < 0.6, confirm_shared_identity=chance.random() < 0.7)
    values |= _sometimes(
        chance, 0.15, redirect_addresses=chance.choice(([], [f"test@{tenant}.example"], ["a@b.example", "c@d.example"]))
    )
    return values | _sometimes(chance, 0.03, sender_address="")


def _sometimes(chance: random.Random, probability: float, **values: Any) -> Document:
    return {key: value for key, value in values.items() if chance.random() < probability}


def _connection(chance: random.Random, owner: str) -> Document:
    """A server with or without a login, EWS or OAuth settings, several of them, or one with parts missing."""
    values: Document = {}
    if chance.random() < 0.75:
        values["smtp_server"] = f"mail.{owner}.example"
        values |= _sometimes(
            chance, 0.3, smtp_port=chance.choice((25, 587, 2525)), smtp_tls=chance.choice(("off", "starttls", "implicit"))
        )
    if chance.random() < 0.3:
        values |= _sometimes(chance, 0.8, ews_url=f"https://ews.{owner}.example/EWS/Exchange.asmx")
        values |= _sometimes(chance, 0.4, ews_auth=chance.choice(("basic", "ntlm", "oauth2")))
    if chance.random() < 0.3:
        values |= {"oauth_client_id": f"client-{owner}", "oauth_tenant": "contoso"}
        values |= _sometimes(chance, 0.8, oauth_client_secret="secret-oauth", graph_url="https://graph.example")
    if chance.random() < 0.7:
        values["smtp_user"] = f"login-{owner}"
        values |= _sometimes(chance, 0.85, smtp_password="secret-" + owner)
    return values


def _accounts(chance: random.Random, tenant: str, logins: list[str]) -> list[Document]:
    owners = chance.sample(logins, 2)
    accounts = []
    for number in range(5):
        identifier = f"account{number}"
        values = _connection(chance, f"{identifier}.{tenant}") if chance.random() < 0.5 else {}
        if not values and chance.random() < 0.4:
            values = {"smtp_user": identifier, "smtp_password": "secret-" + identifier}
        accounts.append(
            {
                "id": identifier,
                "sender_address": chance.choice(
                    (f"{identifier}@{tenant}.example", f"Rechnungen <{identifier}@{tenant}.example>")
                ),
                "user": owners[number] if number < len(owners) else None,
                "active": chance.random() > 0.15,
                **values,
                **_sometimes(chance, 0.3, send_system=chance.choice(SYSTEMS)),
                **_sometimes(chance, 0.1, confirm_shared_identity=chance.random() < 0.7),
            }
        )
    return accounts


def _employees(chance: random.Random, tenant: str, logins: list[str]) -> list[Document]:
    rows = []
    for number, login in enumerate(logins):
        known = [f"{login}@{tenant}.example", f"account{chance.randrange(5)}@{tenant}.example", f"{tenant}@{tenant}.example"]
        rows.append(
            {
                "id": str(number),
                "name": login.title(),
                "email": chance.choice((known[0], known[0], f"{login}.crm@{tenant}.example", "")),
                "additional_emails": chance.sample(known, chance.randrange(3)),
                "user": login if chance.random() < 0.7 else None,
                "active": chance.random() > 0.15,
            }
        )
    return rows


def _print_model(chance: random.Random, number: int, logins: list[str], accounts: list[str]) -> Document:
    return {
        "id": f"model{number}",
        "context": "invoices",
        "account": chance.choice(accounts) if chance.random() < 0.25 else None,
        "user_accounts": {login: chance.choice(accounts) for login in logins if chance.random() < 0.12},
        "stage": chance.choice(STAGES),
        "delivery_mode": chance.choice(USUAL_MODES),
        "subject": "Rechnung",
        "text": "Guten Tag",
        "active": chance.random() > 0.1,
    }
