"""A second reading of the rules: what the rules say of one case, from the configuration document alone.

It shares no line with the product, so that both would have to misread a rule in the same way to agree on an error.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import idna

Values = Mapping[str, Any]
Seal = tuple[str, ...]  # server, port, TLS mode, EWS address and user: every place a secret could be offered to (P5, Z7)

ACCOUNT_LEVELS: Final = ("print_model_user_account", "print_model_account", "user_account")
LEVELS: Final = (
    *ACCOUNT_LEVELS,
    "forced_sender",
    "context_sender",
    "user_parameters",
    "com_parameters",
    "firm_parameters",
    "local_client",
)
EWS: Final = {6, 7}
GRAPH: Final = {10, 11}
OAUTH: Final = {8, 9, 10, 11}
PROCESS_IDENTITY: Final = {2, 3}  # never a login of its own (table in S)
PROCESS_IDENTITY_WITHOUT_LOGIN: Final = {4, 5}
CLIENT_MODES: Final = {"background_client", "foreground", "foreground_modal"}
PORTS: Final = {"starttls": 587, "implicit": 465, "off": 25}
CONNECTION_KEYS: Final = {
    "smtp_server", "smtp_port", "smtp_tls", "smtp_tls_min", "smtp_user", "smtp_password", "allow_plain_auth", "ca_certificate",
    "send_system", "confirm_shared_identity", "ews_url", "ews_auth", "ews_version", "ntlm_domain", "oauth_authority",
    "oauth_tenant", "oauth_client_id", "oauth_client_secret", "graph_url", "imap_server", "imap_port", "imap_tls",
    "imap_user", "imap_password", "max_connections", "per_minute", "per_day", "unknown_policy", "give_up_hours",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One question, as a line of `explain --cases`."""

    user: str
    print_model: str | None = None
    context_sender: str | None = None
    sender_method: str | None = None
    unattended: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What `explain --json` must say of it, as far as the rules decide it."""

    channel: str
    sender: tuple[str, str, str | None] | None  # address, level, source
    # level, source, system, server, port, tls, username
    connection: tuple[str, str, int, str, int | None, str, str | None] | None
    delivery_mode: str
    allowed: bool
    refused: str | None
    held: str | None
    redirect: tuple[str, ...] | None
    outcomes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """The values of one level that are in force, without what a lock above it takes away (T5)."""

    level: str
    source: str
    values: Values

    def get(self, key: str) -> Any:
        return self.values.get(key)


@dataclass(frozen=True, slots=True)
class Offer:
    """An address that a level yields, with the holder of it."""

    address: str
    source: str | None
    holder: str  # level of the parameters it comes from, for P8


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection in force (R3)."""

    level: str
    source: str
    system: int
    server: str
    port: int | None
    tls: str
    username: str | None
    secret_missing: bool


@dataclass(slots=True)
class Installation:
    """A configuration, and the passwords' seals where they are older than it (P5)."""

    document: Mapping[str, Any]
    sealed: dict[tuple[str, ...], Seal] = field(default_factory=dict)  # by holder and key

    def tenants(self) -> Iterator[tuple[Values, Values | None]]:
        """Every tenant with its firm (None: it is a firm itself) (T1)."""
        for firm in self.document["firms"]:
            yield firm, None
            for customer in firm.get("com_customers", []):
                yield customer, firm

    def home(self, user: str) -> tuple[Values, Values | None, Values]:
        """The tenant of a user, its firm, the user (T2)."""
        for tenant, firm in self.tenants():
            for entry in tenant.get("users", []):
                if entry["id"] == user:
                    return tenant, firm, entry
        raise LookupError(user)

    def knows(self, case: Case) -> bool:
        """Whether the print model it names is one of the user's tenant, and not retired."""
        models = self.home(case.user)[0].get("print_models", [])
        return case.print_model is None or any(row["id"] == case.print_model and row.get("active", True) for row in models)


# -- addresses (C4, Z2) ---------------------------------------------------------------------------------------------------------

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_NAMED = re.compile(r'(?:(?P<name>[^<>@",;:()\\]*)|"(?P<quoted>[^<>@"\\]*)")\s*<(?P<address>[^<>]*)>')


def mailbox_key(text: str) -> str | None:
    """The mailbox that `user@domain` or `Name <user@domain>` means; None where it is no address (P7, C4)."""
    named = _NAMED.fullmatch(text.strip())
    address = named["address"] if named else text.strip()
    local, at, domain = address.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(local) > 64:
        return None
    lowered = unicodedata.normalize("NFC", domain).lower()  # C4: NFC and lower case, nothing beyond that
    try:
        ascii_domain = idna.encode(lowered).decode()
    except idna.IDNAError:
        return None
    if "." not in ascii_domain or ascii_domain.endswith("."):  # C4: a single label is none; Z2: no trailing dot
        return None
    return f"{local.lower()}@{ascii_domain}"


# -- parameters (P, T5) ---------------------------------------------------------------------------------------------------------


def locked_keys(tenant: Values) -> set[str]:
    """What a tenant or the operator locks for everything below it; `smtp_server` locks the whole connection (T5)."""
    locked = {*tenant.get("locked", []), *tenant.get("locked_by_operator", [])}
    return locked | CONNECTION_KEYS if "smtp_server" in locked else locked


def layers(installation: Installation, user: str) -> list[Layer]:
    """User → Com customer → firm (P), each without what is locked above it (T5)."""
    tenant, firm, entry = installation.home(user)
    own = {**entry.get("parameters", {})}
    if not own.get("sender_address") and (email := _email_for_sender(tenant, firm, entry)):
        own["sender_address"] = email  # P6: written at the import, where no own address is given
    levels = [("user_parameters", entry["id"], own, [tenant, firm])]
    if firm is None:
        levels.append(("firm_parameters", tenant["id"], tenant.get("parameters", {}), []))
    else:
        levels.append(("com_parameters", tenant["id"], tenant.get("parameters", {}), [firm]))
        levels.append(("firm_parameters", firm["id"], firm.get("parameters", {}), []))
    return [
        Layer(level, source, _without(values, set().union(*(locked_keys(above) for above in uppers if above))))
        for level, source, values, uppers in levels
    ]


def _without(values: Values, locked: set[str]) -> Values:
    return {key: value for key, value in values.items() if key not in locked and not _empty(value)}


def _empty(value: object) -> bool:
    """`false` is a value, an empty text or list is not (P)."""
    return value is None or value in ("", [])


def _email_for_sender(tenant: Values, firm: Values | None, user: Values) -> str:
    """The linked employee's e-mail where *Standard-E-Mail-Absenderadresse aktualisieren* resolves to yes (P6, default yes)."""
    chain = [(user, [tenant, firm]), (tenant, [firm]), (firm, [])]
    for holder, uppers in chain:
        value = (holder or {}).get("parameters", {}).get("update_sender_from_employee")
        if value is not None and not any("update_sender_from_employee" in locked_keys(above) for above in uppers if above):
            if not value:
                return ""
            break
    employee = employee_of(tenant, user["id"])
    return employee.get("email", "") if employee else ""


def resolve(levels: list[Layer], key: str, default: Any = None) -> Any:
    """The nearest level that sets the parameter (P)."""
    return next((layer.get(key) for layer in levels if layer.get(key) is not None), default)


def anywhere(levels: list[Layer], key: str) -> bool:
    """On at any level in force means on (C1, U2)."""
    return any(layer.get(key) is True for layer in levels)


def employee_of(tenant: Values, user: str) -> Values | None:
    """The employee linked to the user-ID (T3)."""
    return next((row for row in tenant.get("employees", []) if row.get("user") == user and row.get("active", True)), None)


# -- the sender (R1) ------------------------------------------------------------------------------------------------------------


def _account(tenant: Values, identifier: str | None) -> Values | None:
    found = (row for row in tenant.get("email_accounts", []) if row["id"] == identifier and row.get("active", True))
    return next(found, None)


def level_accounts(tenant: Values, firm: Values | None, model: Values | None, user: str) -> dict[str, Values | None]:
    """A2: an account serves only where the print model names it, or where its user-ID is the acting user."""
    model = model or {}
    owned = (row for row in tenant.get("email_accounts", []) if row.get("user") == user and row.get("active", True))
    found = {
        "print_model_user_account": _account(tenant, model.get("user_accounts", {}).get(user)),  # R1 1, the user's own first
        "print_model_account": _account(tenant, model.get("account")),  # R1 1
        "user_account": next(owned, None),  # R1 2
    }
    # T5: what the firm locks is locked for everything below it, a Com customer's accounts included
    locked = (locked_keys(firm) if firm else set()) & CONNECTION_KEYS
    return {level: {**_without(row, locked)} if row else None for level, row in found.items()}


def offers(tenant: Values, case: Case, levels: list[Layer], accounts: Mapping[str, Values | None]) -> dict[str, Offer]:
    """What each level yields (R1)."""
    found = {level: Offer(row["sender_address"], row["id"], level) for level, row in accounts.items() if row}
    own = {
        layer.level: Offer(layer.get("sender_address"), layer.source, layer.level)
        for layer in levels
        if layer.get("sender_address")
    }
    if own and resolve(levels, "always_use_sender_address", default=False):  # R1 3: both resolved by themselves
        found["forced_sender"] = next(own[layer.level] for layer in levels if layer.level in own)
    employee = employee_of(tenant, case.user)
    if case.context_sender:  # R1 4: what the package passes; else the CRM method
        found["context_sender"] = Offer(case.context_sender, None, "context_sender")
    elif case.sender_method == "crm" and employee and employee.get("email"):
        found["context_sender"] = Offer(employee["email"], case.user, "context_sender")
    return found | own  # R1 5 and 6


# -- the connection (R3, P5) ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """One place where connection settings stand, with the general parameters it may borrow from, nearest first."""

    level: str
    source: str
    holder: tuple[str, ...]
    values: Values
    generals: tuple[Values, ...]


def names_settings(values: Values, system: int) -> bool:
    """The EWS settings (address, or autodiscover) or the OAuth settings of the send system (R3, P1)."""
    if system in EWS:
        return bool(values.get("ews_url") or values.get("ews_auth"))
    return system in OAUTH and bool(values.get("oauth_client_id"))


def connection(
    installation: Installation, levels: list[Layer], account: tuple[str, Values] | None, tenant: str
) -> Connection | None:
    """The account that gave the address, the user's own parameters, the Com customer's, the firm's (R3)."""
    system = resolve(levels, "send_system", 0)  # S1: the default is 0
    generals = tuple(layer.values for layer in levels if layer.level != "user_parameters")
    places = []
    if account:  # R3: an account never borrows from a user's own parameters
        level, row = account
        places.append(_Place(level, row["id"], ("account", tenant, row["id"]), row, generals))
        system = row["send_system"] if row.get("send_system") is not None else system  # R3: the account's where it names one
    for index, layer in enumerate(levels):
        above = tuple(other.values for other in levels[index + 1 :] if other.level != "user_parameters")
        holder = ("user" if layer.level == "user_parameters" else "tenant", layer.source)
        places.append(_Place(layer.level, layer.source, holder, layer.values, above))
    for place in places:
        if found := _whole(place, system) or _borrowed(installation, place, system):
            number, server = found
            return _connected(installation, place, server, number)
    return None


def _whole(place: _Place, system: int) -> tuple[int, Values] | None:
    """R3: the first that names a server (or the EWS or OAuth settings of its send system) is used whole."""
    own = names_settings(place.values, system)
    if own and system in EWS | GRAPH:
        return system, place.values
    if place.values.get("smtp_server"):  # R3: 0 or 1 of the same timing, where the system cannot use what the level names
        plain = system in EWS | GRAPH or (system in OAUTH and not own)
        return (system % 2 if plain else system), place.values
    if own:  # 8 and 9: OAuth settings without a server
        server = next((values for values in place.generals if values.get("smtp_server")), None)
        return (system, server) if server else None
    return None


def _borrowed(installation: Installation, place: _Place, system: int) -> tuple[int, Values] | None:
    """R3: a user and a password alone borrow from the nearest general parameters (where the system logs in with them at all)."""
    if not place.values.get("smtp_user") or system in PROCESS_IDENTITY:
        return None
    if system in OAUTH and (*place.holder, "smtp_password") not in installation.sealed:
        return None
    for values in place.generals:
        if system in EWS and names_settings(values, system):
            return system, values
        if values.get("smtp_server"):
            return (system % 2 if system in EWS | OAUTH else system), values
    return None


def _connected(installation: Installation, place: _Place, server: Values, number: int) -> Connection:
    tls = server.get("smtp_tls", "starttls")
    over_smtp = number not in EWS | GRAPH
    return Connection(
        level=place.level,  # contract: of the login, without one of the server
        source=place.source,
        system=number,
        server=server.get("smtp_server" if over_smtp else "ews_url" if number in EWS else "graph_url", ""),
        port=(server.get("smtp_port") or PORTS[tls]) if over_smtp else None,
        tls=tls if over_smtp else "implicit",
        username=place.values.get("smtp_user") if number not in PROCESS_IDENTITY else None,  # S: 2 and 3 have no login
        secret_missing=_secret_missing(installation, place, number),
    )


def _secret_missing(installation: Installation, place: _Place, number: int) -> bool:
    """P5: a secret is offered to nothing else than what it was sealed to."""
    if number in PROCESS_IDENTITY:
        return False
    if number in OAUTH or (number in EWS and place.values.get("ews_auth") == "oauth2"):
        return installation.sealed.get((*place.holder, "oauth_client_secret")) != oauth_seal(place.values, place.generals)
    if number not in EWS and not place.values.get("smtp_user"):  # R3: without a login no AUTH
        return False
    return installation.sealed.get((*place.holder, "smtp_password")) != password_seal(place.values, place.generals)


def password_seal(values: Values, generals: tuple[Values, ...]) -> Seal:
    """What a password entered now is sealed to (P5)."""
    smtp = next((row for row in (values, *generals) if row.get("smtp_server")), {})
    ews = next((row["ews_url"] for row in (values, *generals) if row.get("ews_url")), "")
    tls = smtp.get("smtp_tls", "starttls")
    endpoint = (smtp["smtp_server"].lower(), str(smtp.get("smtp_port") or PORTS[tls]), tls) if smtp else ()
    return (*endpoint, ews, values.get("smtp_user", ""))


def oauth_seal(values: Values, generals: tuple[Values, ...]) -> Seal:
    """Who issues tokens for it, and all that such a token could be offered to (P5, Z7)."""
    own = (values.get(key, "") for key in ("oauth_authority", "oauth_tenant", "oauth_client_id", "graph_url"))
    return (*own, *password_seal(values, generals))


def installed(document: Mapping[str, Any], before: "Installation | None" = None) -> Installation:
    """The installation after an import of the document: its secrets are sealed to what is in force then, others stay (P5)."""
    installation = Installation(document, dict(before.sealed) if before else {})
    for tenant, firm in installation.tenants():
        chain = [_general(tenant, firm), *([_general(firm, None)] if firm else [])]
        _seal(installation, ("tenant", tenant["id"]), tenant.get("parameters", {}), tuple(chain[1:]))
        for user in tenant.get("users", []):
            _seal(installation, ("user", user["id"]), user.get("parameters", {}), tuple(chain))
        for account in tenant.get("email_accounts", []):
            _seal(installation, ("account", tenant["id"], account["id"]), account, tuple(chain))
    return installation


def _general(tenant: Values, firm: Values | None) -> Values:
    return _without(tenant.get("parameters", {}), locked_keys(firm) if firm else set())


def _seal(installation: Installation, holder: tuple[str, ...], values: Values, generals: tuple[Values, ...]) -> None:
    if values.get("smtp_password"):
        installation.sealed[(*holder, "smtp_password")] = password_seal(values, generals)
    if values.get("oauth_client_secret"):
        installation.sealed[(*holder, "oauth_client_secret")] = oauth_seal(values, generals)


# -- the answer -----------------------------------------------------------------------------------------------------------------


def answer(installation: Installation, case: Case) -> Answer:
    """What the rules say of this case."""
    tenant, firm, user = installation.home(case.user)
    levels = layers(installation, case.user)
    model = next(
        (row for row in tenant.get("print_models", []) if row["id"] == case.print_model and row.get("active", True)), None
    )
    accounts = level_accounts(tenant, firm, model, case.user)
    offered = offers(tenant, case, levels, accounts)
    winner = next((level for level in LEVELS if level in offered), None)  # R1: the first level that yields an address
    account = accounts.get(winner or "")
    route = connection(installation, levels, (winner, account) if winner and account else None, tenant["id"])
    mode = (model or {}).get("delivery_mode", "as_parameters")
    if (model or {}).get("stage") == "draft":  # the introduction ladder: a draft, whatever the mode
        mode = "background_draft"
    alone = case.unattended or user["role"] == "service_user"  # R5
    offer = offered.get(winner or "")
    facts = _Facts(installation, case, tenant, firm, user, levels, model, offer, account, route, mode, alone)
    refused = _refusal(facts)
    return Answer(
        channel="none" if refused else _channel(facts),
        sender=(mailbox_key(offer.address) or "", winner, offer.source)
        if offer and winner and mailbox_key(offer.address)
        else None,
        connection=(route.level, route.source, route.system, route.server, route.port, route.tls, route.username)
        if route
        else None,
        delivery_mode=mode,
        allowed=refused is None,
        refused=refused,
        held=None if refused else _held(facts),
        redirect=_redirect(facts),
        outcomes=_outcomes(facts, offered, winner),
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    installation: Installation
    case: Case
    tenant: Values
    firm: Values | None
    user: Values
    levels: list[Layer]
    model: Values | None
    offer: Offer | None
    account: Values | None
    route: Connection | None
    mode: str
    alone: bool


def _outcomes(facts: _Facts, offered: Mapping[str, Offer], winner: str | None) -> tuple[str, ...]:
    def outcome(level: str) -> str:
        if level == winner:
            return "used"
        if level in offered:
            return "overridden"  # contract: offers an address, an earlier level won
        if level == "com_parameters" and facts.firm is None:
            return "not_available"  # contract: cannot be here
        if level == "local_client":
            if facts.alone or facts.mode == "background_smtp":  # R5: no level 7; M2: never the client
                return "not_available"
            return "overridden" if winner else "used"  # R1 7
        return "absent"

    return tuple(outcome(level) for level in LEVELS)


def _refusal(facts: _Facts) -> str | None:
    if not facts.user.get("active", True):
        return "user_inactive"
    if facts.case.print_model and facts.model is None:
        return "print_model_unknown"
    if facts.offer and mailbox_key(facts.offer.address) is None:  # C4: only the address that would be used is judged
        return "address_invalid"
    return _foreign(facts) or _unchecked(facts) or _undeliverable(facts)


def _foreign(facts: _Facts) -> str | None:
    """P8: a Com user's own or passed sender is never an address of another tenant."""
    if facts.firm is None or facts.offer is None or facts.offer.holder not in {"context_sender", "user_parameters"}:
        return None
    key = mailbox_key(facts.offer.address)
    others = (tenant for tenant, _firm in facts.installation.tenants() if tenant["id"] != facts.tenant["id"])
    return "foreign_address" if any(key in addresses_of(tenant) for tenant in others) else None


def addresses_of(tenant: Values) -> set[str | None]:
    """The addresses of a tenant: of its parameters, users and their parameters, accounts and employees."""
    texts = [tenant.get("parameters", {}).get("sender_address"), *(user.get("email") for user in tenant.get("users", []))]
    texts += [user.get("parameters", {}).get("sender_address") for user in tenant.get("users", [])]
    texts += [row["sender_address"] for row in tenant.get("email_accounts", [])]
    for row in tenant.get("employees", []):
        texts += [row.get("email"), *row.get("additional_emails", [])]
    return {mailbox_key(text) for text in texts if text}


def _unchecked(facts: _Facts) -> str | None:
    """C1: whichever level the address came from and whatever the channel."""
    if not anywhere(facts.levels, "check_sender"):
        return None
    if facts.offer is None:  # no address to judge; the client's own is out of reach
        return None
    employee = employee_of(facts.tenant, facts.case.user)
    if employee is None:
        return "check_sender_no_employee"
    listed = {mailbox_key(text) for text in (employee.get("email"), *employee.get("additional_emails", [])) if text}
    return None if mailbox_key(facts.offer.address) in listed else "check_sender_not_on_employee"


def _undeliverable(facts: _Facts) -> str | None:
    """R5, M2, S3, P5."""
    if facts.alone:  # R5: first the sender, then the connection
        if facts.offer is None:
            return "no_sender"
        if facts.route is None:
            return "no_connection"
    elif facts.mode == "background_smtp" and not _drafted(facts):  # M2: never the client
        if facts.route is None:
            return "no_connection"
        if facts.offer is None:
            return "no_sender"
    if facts.route is None or _channel(facts) in {"client", "draft"}:
        return None
    if _shares_identity(facts.route) and not _identity_allowed(facts):
        return "shared_identity"
    return "secret_needed" if facts.route.secret_missing else None  # P5


def _shares_identity(route: Connection) -> bool:
    """S: 2 and 3 always, 4 and 5 without a login."""
    return route.system in PROCESS_IDENTITY or (route.system in PROCESS_IDENTITY_WITHOUT_LOGIN and route.username is None)


def _identity_allowed(facts: _Facts) -> bool:
    """Z21: never for Com customers; else check sender on, or confirmed (S3)."""
    if facts.firm is not None:
        return False
    own = facts.account.get("confirm_shared_identity") if facts.account else None  # an account takes the connection keys
    confirmed = own if own is not None else resolve(facts.levels, "confirm_shared_identity", default=False)
    return anywhere(facts.levels, "check_sender") or confirmed is True


def _drafted(facts: _Facts) -> bool:
    return facts.mode == "background_draft"


def _channel(facts: _Facts) -> str:
    """M2, first match, of a mail that is not refused."""
    if _drafted(facts):
        return "draft"
    if not facts.alone:  # R5: no client channel, ignores the send option
        if facts.mode in CLIENT_MODES:  # M2: beats the send option
            return "client"
        if facts.mode == "as_parameters" and (facts.route is None or facts.offer is None):  # P2, R1 7
            return "client"
        if facts.mode == "as_parameters" and resolve(facts.levels, "send_option", "smtp") == "client":  # P2
            return "client"
    assert facts.route is not None
    return "ews" if facts.route.system in EWS else "graph" if facts.route.system in GRAPH else "smtp"


def _held(facts: _Facts) -> str | None:
    """P8: it bites where the sender comes from the firm's own parameters, also as forced sender."""
    as_firm = facts.firm is not None and facts.offer is not None and facts.offer.holder == "firm_parameters"
    policy = facts.tenant.get("sends_as_firm", "allow") if as_firm else "allow"
    staged = "stage_held" if (facts.model or {}).get("stage") == "held" else None  # delivery.md 1: waits for the approver
    return {"allow": staged, "warn": "confirm_sends_as_firm", "hold": "held_by_firm"}[policy]


def _redirect(facts: _Facts) -> tuple[str, ...] | None:
    """U1, U2: the addresses of the nearest level that has any, else the dummy; None: off."""
    if not anywhere(facts.levels, "redirect_enabled") and (facts.model or {}).get("stage") != "redirected":
        return None
    addresses = resolve(facts.levels, "redirect_addresses", [f"{facts.case.user}@test-dummy.at"])
    return tuple(addresses)
