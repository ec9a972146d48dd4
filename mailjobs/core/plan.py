"""Sender, connection, check, redirect, channel and fallback of one mail, in a value that explains itself (R4, M2, P8, S2)."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mailjobs.core.redirect import OFF, UNREADABLE, Redirect, dummy_address, is_address
from mailsettings.core.facts import Facts
from mailsettings.core.parameters import Layer, on_anywhere, resolve, switched_on
from mailsettings.core.relay import Connection, RelayDecision, decide_relay_for, refuse_relay
from mailsettings.core.send_systems import Credentials, DeliveryMode, Over, SendsAsFirm, Stage
from mailsettings.core.sender import SenderDecision, decide_sender, refuse_sender

EXCHANGE_ONLINE = ("outlook.office365.com", "smtp.office365.com", "smtp-mail.outlook.com", "outlook.office.com")


class Channel(StrEnum):
    """Over what a mail leaves (contract, `channel`)."""

    SMTP = "smtp"
    EWS = "ews"
    GRAPH = "graph"
    DRAFT = "draft"
    CLIENT = "client"
    NONE = "none"

    @property
    def by_server(self) -> bool:
        return self in {Channel.SMTP, Channel.EWS, Channel.GRAPH}

    @property
    def by_client(self) -> bool:
        """Whether the mail waits for the user's own mail client (X1)."""
        return self in {Channel.CLIENT, Channel.DRAFT}


class Refusal(StrEnum):
    """Why a mail may not go out like this; the codes of the contract."""

    USER_INACTIVE = "user_inactive"
    PRINT_MODEL_UNKNOWN = "print_model_unknown"
    ADDRESS_INVALID = "address_invalid"
    FOREIGN_ADDRESS = "foreign_address"
    ADDRESS_UNCONFIRMED = "address_unconfirmed"
    CHECK_SENDER_NO_EMPLOYEE = "check_sender_no_employee"
    CHECK_SENDER_NOT_ON_EMPLOYEE = "check_sender_not_on_employee"
    NO_SENDER = "no_sender"
    NO_CONNECTION = "no_connection"
    SHARED_IDENTITY = "shared_identity"
    SECRET_NEEDED = "secret_needed"  # noqa: S105 (a code, no secret)
    HOST_NOT_ALLOWED = "host_not_allowed"
    REDIRECT_UNREADABLE = "redirect_unreadable"
    VARIABLE_MISSING = "variable_missing"


class Hold(StrEnum):
    """Why a mail waits for a person."""

    HELD_BY_FIRM = "held_by_firm"
    CONFIRM_SENDS_AS_FIRM = "confirm_sends_as_firm"
    STAGE_HELD = "stage_held"
    BY_CLIENT = "by_client"  # to be opened in the user's own mail client (X1)
    CAPTURED = "captured"  # redirect with capture only (U6)
    RESTORED = "restored"  # U5
    RUN_PAUSED = "run_paused"  # somebody has paused its print run

    @property
    def held_for(self) -> str:
        """Who ends the hold: firm, sender, approver or operator (delivery contract 1)."""
        return _HELD_FOR[self]


_HELD_FOR = {
    Hold.HELD_BY_FIRM: "firm",
    Hold.CONFIRM_SENDS_AS_FIRM: "sender",
    Hold.STAGE_HELD: "approver",
    Hold.BY_CLIENT: "sender",
    Hold.CAPTURED: "approver",
    Hold.RESTORED: "operator",
    Hold.RUN_PAUSED: "sender",
}


class Hazard(StrEnum):
    """What a person should know about a mail that may go out."""

    SENDS_AS_FIRM = "sends_as_firm"
    SHARED_IDENTITY = "shared_identity"
    PLAIN_AUTH = "plain_auth"
    NO_TLS = "no_tls"
    BASIC_AUTH_RETIRED = "basic_auth_retired"
    EWS_RETIRED = "ews_retired"
    REDIRECT_DUMMY = "redirect_dummy"
    DIRECT_FOR_COM = "direct_for_com"
    NO_LOGGING = "no_logging"
    INACTIVE_NAMED = "inactive_named"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything decided about one mail. `refused` set: the channel is none and nothing is sent."""

    facts: Facts
    mode: DeliveryMode
    sender: SenderDecision
    relay: RelayDecision
    redirect: Redirect
    channel: Channel
    refused: Refusal | None
    held: Hold | None
    hazards: tuple[Hazard, ...]

    @property
    def allowed(self) -> bool:
        return self.refused is None

    @property
    def connection(self) -> Connection | None:
        return self.relay.connection

    @property
    def asynchronous(self) -> bool:
        return self.connection is not None and self.connection.system.asynchronous


def make_plan(facts: Facts) -> Plan:
    """Decide everything about one mail from its facts."""
    mode = _mode(facts)
    client_possible = not facts.unattended and mode is not DeliveryMode.BACKGROUND_SMTP
    sender = decide_sender(facts, client_possible=client_possible)
    relay = decide_relay_for(facts, sender)
    channel = _channel(facts, mode, sender, relay)
    redirect = redirect_now(facts)
    refused = _refuse(facts, sender, relay, channel, redirect)
    return Plan(
        facts=facts,
        mode=mode,
        sender=sender,
        relay=relay,
        redirect=redirect,
        channel=Channel.NONE if refused else channel,
        refused=refused,
        held=None if refused else hold_now(facts, as_firm=sender.from_firm),
        hazards=tuple(_hazards(facts, sender, relay, channel, redirect)),
    )


def redirect_now(facts: Facts) -> Redirect:
    """The redirect in force: on at any level means on; the addresses of the nearest level that has any (U1, U2).

    The print model's stage (ladder) and a database copied from elsewhere (U5) switch it on too.
    """
    if not all(map(_is_readable, facts.layers)):
        return UNREADABLE
    stage_redirects = facts.print_model is not None and facts.print_model.stage is Stage.REDIRECTED
    if not (facts.tenant.copied or stage_redirects or on_anywhere(facts.layers, "redirect_enabled")):
        return OFF
    addresses = resolve(facts.layers, "redirect_addresses").value
    named = tuple(addresses) if isinstance(addresses, (tuple, list)) else ()
    return Redirect(
        active=True,
        addresses=named or (dummy_address(facts.user.id),),
        capture_only=on_anywhere(facts.layers, "redirect_capture_only"),
        dummy=not named,
    )


def hold_now(facts: Facts, *, as_firm: bool, approved: Collection[str] = ()) -> Hold | None:
    """The first person's word that a mail needs and has not had; `as_firm`: it carries the firm's address (P8, ladder).

    The firm's release also answers whether the sender means it.
    """
    if facts.tenant.is_com_customer and as_firm:
        match facts.tenant.sends_as_firm:
            case SendsAsFirm.HOLD if Hold.HELD_BY_FIRM not in approved:
                return Hold.HELD_BY_FIRM
            case SendsAsFirm.WARN if {Hold.HELD_BY_FIRM, Hold.CONFIRM_SENDS_AS_FIRM}.isdisjoint(approved):
                return Hold.CONFIRM_SENDS_AS_FIRM
            case _:
                pass
    stage = facts.print_model.stage if facts.print_model is not None else Stage.LIVE
    return Hold.STAGE_HELD if stage is Stage.HELD and Hold.STAGE_HELD not in approved else None


def _is_readable(layer: Layer) -> bool:
    """Whether what a level says of redirect is what `parse_value` stores: damaged, it could mean that it is on (U2)."""
    values = layer.holder.values
    switches = (values.get("redirect_enabled"), values.get("redirect_capture_only"))
    if any(value is not None and not isinstance(value, bool) for value in switches):
        return False
    addresses = values.get("redirect_addresses")
    return addresses is None or (isinstance(addresses, (tuple, list)) and all(map(is_address, addresses)))


def _mode(facts: Facts) -> DeliveryMode:
    if facts.print_model is None:
        return DeliveryMode.AS_PARAMETERS
    if facts.print_model.stage is Stage.DRAFT:
        return DeliveryMode.BACKGROUND_DRAFT
    return facts.print_model.mode


def _channel(facts: Facts, mode: DeliveryMode, sender: SenderDecision, relay: RelayDecision) -> Channel:
    """M2, first match, refusals aside."""
    if mode is DeliveryMode.BACKGROUND_DRAFT:
        return Channel.DRAFT
    if facts.unattended or mode is DeliveryMode.BACKGROUND_SMTP:
        return _by_server(relay)
    if mode.by_client or sender.offer is None or relay.connection is None:
        return Channel.CLIENT
    if resolve(facts.layers, "send_option").value == "client":
        return Channel.CLIENT
    return _by_server(relay)


def _by_server(relay: RelayDecision) -> Channel:
    if relay.connection is None:
        return Channel.NONE
    return Channel(relay.connection.system.over.value)


def _refuse(facts: Facts, sender: SenderDecision, relay: RelayDecision, channel: Channel, redirect: Redirect) -> Refusal | None:
    if not facts.user.active:
        return Refusal.USER_INACTIVE
    if facts.request.print_model and (facts.print_model is None or not facts.print_model.active):
        return Refusal.PRINT_MODEL_UNKNOWN
    if not redirect.readable:
        return Refusal.REDIRECT_UNREADABLE
    if refused := refuse_sender(facts, sender):
        return Refusal(refused.value)
    if (facts.unattended or channel is Channel.NONE or channel.by_server) and (missing := _missing(facts, sender, relay)):
        return missing
    if channel.by_server and relay.connection is not None:
        refused_relay = refuse_relay(facts, relay.connection, sender.offer.account if sender.offer else None)
        return Refusal(refused_relay.value) if refused_relay else None
    return None


def _missing(facts: Facts, sender: SenderDecision, relay: RelayDecision) -> Refusal | None:
    """What a mail that no mail client completes goes without, drafts of unattended runs included (R5, M2)."""
    no_sender = Refusal.NO_SENDER if sender.offer is None else None
    no_connection = Refusal.NO_CONNECTION if relay.connection is None else None
    return no_sender or no_connection if facts.unattended else no_connection or no_sender


def _hazards(
    facts: Facts, sender: SenderDecision, relay: RelayDecision, channel: Channel, redirect: Redirect
) -> Iterator[Hazard]:
    if facts.tenant.is_com_customer and sender.from_firm:
        yield Hazard.SENDS_AS_FIRM
    connection = relay.connection
    if connection is not None and (channel.by_server or channel is Channel.DRAFT):
        yield from _connection_hazards(facts, connection)
    if redirect.active and redirect.dummy:
        yield Hazard.REDIRECT_DUMMY
    in_background = connection is not None and channel.by_server and connection.system.asynchronous
    if in_background and not switched_on(facts.layers, "log_background_sends"):
        yield Hazard.NO_LOGGING
    if _names_inactive(facts, sender):
        yield Hazard.INACTIVE_NAMED


def _connection_hazards(facts: Facts, connection: Connection) -> Iterator[Hazard]:
    system = connection.system
    if connection.shared_identity:
        yield Hazard.SHARED_IDENTITY
    if system.over is Over.SMTP and connection.tls == "off":
        if connection.username:
            yield Hazard.PLAIN_AUTH
        yield Hazard.NO_TLS
    host = connection.host.lower().rstrip(".")
    if (
        system.over is Over.SMTP
        and system.credentials is Credentials.PASSWORD
        and connection.username
        and host in EXCHANGE_ONLINE
    ):
        yield Hazard.BASIC_AUTH_RETIRED
    if system.over is Over.EWS and any(name in connection.server.text("ews_url").lower() for name in EXCHANGE_ONLINE):
        yield Hazard.EWS_RETIRED
    if facts.tenant.is_com_customer and not system.asynchronous:
        yield Hazard.DIRECT_FOR_COM


def _names_inactive(facts: Facts, sender: SenderDecision) -> bool:
    model = facts.print_model
    named = [account for account in (model.account, model.user_accounts.get(facts.user.id)) if account] if model else []
    if sender.offer and sender.offer.account:
        named.append(sender.offer.account)
    if facts.user.employee is not None and not facts.user.employee.active:
        return True
    return any(not account.active or not account.user_active for account in named)
