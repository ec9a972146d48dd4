"""What Exchange in the house says over SMTP."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from mailjobs.catalogue.saying import ADMIN, YOU, ProviderSaying, words

_HOUSE = "Exchange"
_RELAY = "https://learn.microsoft.com/en-us/exchange/mail-flow/connectors/allow-anonymous-relay"
_RECEIVE = "https://learn.microsoft.com/en-us/exchange/mail-flow/connectors/receive-connectors"
_PRESSURE = "https://learn.microsoft.com/en-us/exchange/mail-flow/back-pressure"
_RATES = "https://learn.microsoft.com/en-us/exchange/mail-flow/message-rate-limits"
_SIZES = "https://learn.microsoft.com/en-us/exchange/mail-flow/message-size-limits"
_NDR = "https://learn.microsoft.com/en-us/troubleshoot/exchange/email-delivery/ndr/non-delivery-reports-in-exchange-online"

HOUSE: Final[tuple[ProviderSaying, ...]] = (
    ProviderSaying(
        "unable_to_relay",
        _HOUSE,
        "relay_denied",
        ADMIN,
        _("Exchange takes mail for outside from this machine only after a login."),
        _(
            "Enter user and password at the connection, or allow the portal's address to relay: a receive connector of "
            "its own and "
            "Get-ReceiveConnector NAME | Add-ADPermission -User 'NT AUTHORITY\\ANONYMOUS LOGON' -ExtendedRights "
            "ms-Exch-SMTP-Accept-Any-Recipient"
        ),
        _RELAY,
        enhanced=("5.7.1", "5.7.54"),
        text=words(r"unable to relay"),
    ),
    ProviderSaying(
        "back_pressure",
        _HOUSE,
        "rate_limited",
        ADMIN,
        _("Exchange is short of disk or memory and takes no mail (back pressure)."),
        _("Make room on the disk of the queue database and look for events 15004 to 15007; the portal tries again by itself."),
        _PRESSURE,
        codes=frozenset({452}),
        text=words(r"insufficient system resources"),
    ),
    ProviderSaying(
        "house_message_rate",
        _HOUSE,
        "rate_limited",
        ADMIN,
        _("The receive connector of Exchange takes no more mails of this sender in a minute."),
        _("Set that number at the connection here, or raise it: Set-ReceiveConnector NAME -MessageRateLimit NUMBER"),
        _RATES,
        codes=frozenset({421}),
        text=words(r"message submission rate"),
    ),
    ProviderSaying(
        "house_too_many_errors",
        _HOUSE,
        "closed_by_server",
        ADMIN,
        _("Exchange has closed the connection after too many errors or too long a silence."),
        _("Look for the first error before it; limits: Get-ReceiveConnector NAME | fl MaxProtocolErrors,ConnectionTimeout"),
        _RATES,
        codes=frozenset({421}),
        text=words(r"too many errors on this connection|connection timed out"),
    ),
    ProviderSaying(
        "house_too_large",
        _HOUSE,
        "too_large",
        YOU,
        _("The mail is larger than Exchange takes."),
        _(
            "Send smaller attachments, or raise the limits: Set-TransportConfig -MaxSendSize, Set-ReceiveConnector "
            "-MaxMessageSize"
        ),
        _SIZES,
        enhanced=("5.3.4", "5.2.3"),
        text=words(r"message size exceeds (fixed maximum|the maximum|size limit)|RESOLVER\.RST\.(Send|Recip)SizeLimit"),
    ),
    ProviderSaying(
        "sender_mailbox_full",
        _HOUSE,
        "quota",
        YOU,
        _("The sender's own mailbox is full, so Exchange sends nothing more."),
        _(
            "Make room in the mailbox that logs in, sent items and deleted items first, or raise its quota: Set-Mailbox"
            " LOGIN -ProhibitSendQuota"
        ),
        _NDR,
        text=words(r"STOREDRV\.Submi.{0,80}Quota ?Exceeded|^HTTP EWS ErrorQuotaExceeded|^HTTP EWS ErrorMessagePerFolder"),
    ),
    ProviderSaying(
        "house_ntlm",
        _HOUSE,
        "wrong_credentials",
        ADMIN,
        _("Exchange does not accept this login."),
        _(
            "Check user and domain (DOMAIN\\user or the whole address). The receive connector must offer this way to log in: "
            "Set-ReceiveConnector NAME -AuthMechanism Tls,BasicAuth,BasicAuthRequireTLS,Integrated"
        ),
        _RECEIVE,
        codes=frozenset({535}),
        enhanced=("5.7.3",),
    ),
)
