"""What Exchange says over SMTP, in the house and online."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from mailjobs.catalogue.saying import ADMIN, OPERATOR, PROVIDER, RECIPIENT, YOU, ProviderSaying, words

_ONLINE, _HOUSE = "Exchange Online", "Exchange"
_NDR = "https://learn.microsoft.com/en-us/troubleshoot/exchange/email-delivery/ndr/non-delivery-reports-in-exchange-online"
_NDR_HOUSE = "https://learn.microsoft.com/en-us/exchange/mail-flow/non-delivery-reports-and-bounce-messages/non-delivery-reports-and-bounce-messages"
_SUBMISSION = (
    "https://learn.microsoft.com/en-us/exchange/clients-and-mobile-in-exchange-online/authenticated-client-smtp-submission"
)
_LIMITS = (
    "https://learn.microsoft.com/en-us/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits"
)
_DEVICES = "https://learn.microsoft.com/en-us/exchange/mail-flow-best-practices/how-to-set-up-a-multifunction-device-or-application-to-send-email-using-microsoft-365-or-office-365"
_RELAY = "https://learn.microsoft.com/en-us/exchange/mail-flow/connectors/allow-anonymous-relay"
_RECEIVE = "https://learn.microsoft.com/en-us/exchange/mail-flow/connectors/receive-connectors"
_PRESSURE = "https://learn.microsoft.com/en-us/exchange/mail-flow/back-pressure"
_RATES = "https://learn.microsoft.com/en-us/exchange/mail-flow/message-rate-limits"
_SIZES = "https://learn.microsoft.com/en-us/exchange/mail-flow/message-size-limits"

SEND_AS = _(
    "Give the login the right: in Exchange Online Add-RecipientPermission SENDER -Trustee LOGIN -AccessRights SendAs, "
    "in the house "
    "Add-ADPermission SENDER -User LOGIN -ExtendedRights Send-As. It may take an hour. Or send with the login's own address."
)
WAIT = _(
    "Wait until the allowance is renewed; the portal goes on by itself. For more, spread the mails over the day or over"
    " mailboxes."
)
SLOWER = _("The portal goes on by itself, more slowly. Fewer sessions and mails a minute at the connection avoid it.")
_ASK = _("The recipient's administrator must allow it. Ask the recipient for another address, or to have the sender allowed.")
_DELIST = _("Whoever runs the sending server has its address removed from the list (sender.office.com) and ends the cause first.")

MICROSOFT: Final[tuple[ProviderSaying, ...]] = (
    ProviderSaying(
        "online_basic_off",
        _ONLINE,
        "basic_auth_disabled",
        ADMIN,
        _("Exchange Online has switched user and password off for SMTP."),
        _("Change to send system 9 or 11 (OAuth 2.0). User and password can no longer be allowed here."),
        _SUBMISSION,
        enhanced=("5.7.30",),
        text=words(r"basic auth"),
    ),
    ProviderSaying(
        "online_smtp_off_tenant",
        _ONLINE,
        "basic_auth_disabled",
        ADMIN,
        _("SMTP is switched off for the whole Microsoft 365 tenant."),
        _(
            "The administrator allows it for this mailbox: Set-CASMailbox LOGIN -SmtpClientAuthenticationDisabled "
            "$false. Better: "
            "send system 11 (Microsoft Graph), which needs no SMTP."
        ),
        _SUBMISSION,
        codes=frozenset({535}),
        text=words(r"SmtpClientAuthentication is disabled for the tenant"),
    ),
    ProviderSaying(
        "online_smtp_off_mailbox",
        _ONLINE,
        "basic_auth_disabled",
        ADMIN,
        _("SMTP is switched off for this mailbox in Microsoft 365."),
        _(
            "The administrator switches it on: Set-CASMailbox LOGIN -SmtpClientAuthenticationDisabled $false. Or use "
            "send system 11."
        ),
        _SUBMISSION,
        codes=frozenset({535}),
        text=words(r"SmtpClientAuthentication is disabled"),
    ),
    ProviderSaying(
        "online_security_defaults",
        _ONLINE,
        "basic_auth_disabled",
        ADMIN,
        _("The security settings of Microsoft 365 do not let user and password log in."),
        _(
            "Security defaults or Conditional Access forbid it; they are right to. Change to send system 9 or 11 (OAuth"
            " 2.0), or the "
            "administrator makes an exception for this mailbox."
        ),
        _SUBMISSION,
        codes=frozenset({535}),
        enhanced=("5.7.139",),
        text=words(r"security defaults|conditional access|did not pass all|locked by your organization"),
    ),
    ProviderSaying(
        "online_locked",
        _ONLINE,
        "account_locked",
        ADMIN,
        _("Microsoft 365 has locked the account after too many wrong log-ins."),
        _("Wait or unlock it in Entra ID, find out who uses the old password, then enter the right one here."),
        _SUBMISSION,
        codes=frozenset({535}),
        enhanced=("5.7.139",),
        text=words(r"user is locked|account.{0,20}lock"),
    ),
    ProviderSaying(
        "online_wrong_password",
        _ONLINE,
        "wrong_credentials",
        ADMIN,
        _("Microsoft 365 does not accept user and password."),
        _("The user is the whole address of the mailbox. With a second factor no password works here: use send system 9 or 11."),
        _SUBMISSION,
        codes=frozenset({535}),
        enhanced=("5.7.139",),
    ),
    ProviderSaying(
        "online_not_authenticated",
        _ONLINE,
        "auth_needed",
        ADMIN,
        _("Exchange takes mail of this kind only after a login."),
        _(
            "Enter user and password or OAuth at the connection; without a login Microsoft 365 needs a connector for "
            "the portal's address."
        ),
        _DEVICES,
        enhanced=("5.7.57",),
    ),
    ProviderSaying(
        "online_relay_attribution",
        _ONLINE,
        "relay_denied",
        ADMIN,
        _("Microsoft 365 cannot tell which tenant the mail belongs to, so it relays nothing."),
        _(
            "The connector must know the portal's public address: New-InboundConnector -ConnectorType OnPremises "
            "-SenderIPAddresses "
            "ADDRESS, and the sender's domain must be an accepted domain."
        ),
        _DEVICES,
        enhanced=("5.7.64",),
    ),
    ProviderSaying(
        "online_send_as",
        _ONLINE,
        "sender_refused",
        ADMIN,
        _("Exchange does not let this login send as this address."),
        SEND_AS,
        _NDR,
        enhanced=("5.2.252",),
    ),
    ProviderSaying(
        "send_as_denied",
        _HOUSE,
        "sender_refused",
        ADMIN,
        _("Exchange does not let this login send as this address."),
        SEND_AS,
        _NDR,
        enhanced=("5.7.60",),
    ),
    ProviderSaying(
        "send_as_denied_old",
        _HOUSE,
        "sender_refused",
        ADMIN,
        _("Exchange does not let this login send as this address."),
        SEND_AS,
        _RECEIVE,
        codes=frozenset({550}),
        enhanced=("5.7.1",),
        text=words(r"(?<!anonymous )client does not have permissions? to send (as|on behalf)|SendAsDenied"),
    ),
    ProviderSaying(
        "anonymous_send_as",
        _HOUSE,
        "sender_refused",
        ADMIN,
        _("Exchange does not let anybody without a login send with an address of the house."),
        _(
            "Enter user and password at the connection, or allow it at the receive connector: Add-ADPermission CONNECTOR -User "
            "'NT AUTHORITY\\ANONYMOUS LOGON' -ExtendedRights ms-Exch-SMTP-Accept-Authoritative-Domain-Sender"
        ),
        _RECEIVE,
        enhanced=("5.7.1", "5.7.54"),
        text=words(r"anonymous client does not have permissions?"),
    ),
    ProviderSaying(
        "online_daily_quota",
        _ONLINE,
        "quota",
        PROVIDER,
        _("The mailbox has reached its recipients of a day (10,000)."),
        WAIT,
        _LIMITS,
        text=words(r"submission ?quota ?exceeded"),
    ),
    ProviderSaying(
        "online_tenant_external",
        _ONLINE,
        "quota",
        PROVIDER,
        _("The Microsoft 365 tenant has reached its external recipients of a day."),
        WAIT,
        _LIMITS,
        enhanced=("5.7.233", "5.7.232", "5.7.236", "5.1.90"),
    ),
    ProviderSaying(
        "online_concurrent",
        _ONLINE,
        "rate_limited",
        PROVIDER,
        _("Exchange Online takes three connections of a mailbox at a time."),
        _("Set at most 3 sessions at the connection; the portal goes on by itself."),
        _LIMITS,
        codes=frozenset({432}),
        text=words(r"concurrent connections"),
    ),
    ProviderSaying(
        "online_per_minute",
        _ONLINE,
        "rate_limited",
        PROVIDER,
        _("Exchange Online takes 30 mails a minute of a mailbox."),
        _("Set 30 mails a minute at the connection; the portal goes on by itself."),
        _LIMITS,
        text=words(r"submission ?rate ?limit|sending limit.{0,30}per minute|message rate limit"),
    ),
    ProviderSaying(
        "online_outbound_spam",
        _ONLINE,
        "account_locked",
        ADMIN,
        _("Microsoft 365 has blocked the mailbox because it suspects spam."),
        _(
            "The account was perhaps taken over: set a new password, then unblock it in Defender (Restricted entities) or with "
            "Remove-BlockedSenderAddress."
        ),
        _NDR,
        enhanced=("5.1.8", "5.7.501-503"),
        text=words(r"outbound|spam|blocked|banned|access denied"),
    ),
    ProviderSaying(
        "online_tenant_threshold",
        _ONLINE,
        "quota",
        ADMIN,
        _(
            "Microsoft 365 has stopped all mail of the tenant: too much of it looked like spam or came from an "
            "unregistered domain."
        ),
        _("Find the mailbox that was taken over and end it, then ask Microsoft's support to lift the block."),
        _NDR,
        enhanced=("5.7.705", "5.7.708", "5.7.750"),
    ),
    ProviderSaying(
        "online_ip_blocked",
        _ONLINE,
        "greeting_refused",
        OPERATOR,
        _("Microsoft 365 has blocked the sending server's address."),
        _DELIST,
        _NDR,
        enhanced=("5.7.606-649", "5.7.511", "5.7.506"),
    ),
    ProviderSaying(
        "online_ip_slowed",
        _ONLINE,
        "rate_limited",
        PROVIDER,
        _("Microsoft 365 slows this sending address down until it knows it better."),
        SLOWER,
        _NDR,
        enhanced=("4.7.500-699", "4.7.850-899"),
    ),
    ProviderSaying(
        "online_dmarc",
        _ONLINE,
        "dmarc",
        ADMIN,
        _("The recipient's Microsoft 365 refuses the mail: it does not pass DMARC of the sender's domain."),
        _(
            "SPF must name the sending server, or it must sign with the sender's domain (DKIM); the diagnosis shows "
            "which is missing."
        ),
        _NDR,
        enhanced=("5.7.509", "5.7.515"),
    ),
    ProviderSaying(
        "online_recipient_unknown",
        _ONLINE,
        "recipient_refused",
        RECIPIENT,
        _("Microsoft 365 does not know the recipient."),
        _("Check the address. If it is right, the recipient's administrator must look at the accepted domain and the directory."),
        _NDR,
        enhanced=("5.4.1", "5.1.10"),
        text=words(r"access denied|recipient ?not ?found|RESOLVER"),
    ),
    ProviderSaying(
        "recipient_restricted",
        _HOUSE,
        "recipient_refused",
        RECIPIENT,
        _("The recipient takes mail of certain senders only."),
        _ASK,
        _NDR,
        codes=frozenset({550, 554}),
        enhanced=("5.7.12", "5.7.13", "5.7.124", "5.7.129", "5.7.133-136"),
    ),
    ProviderSaying(
        "recipient_restricted_old",
        _HOUSE,
        "recipient_refused",
        RECIPIENT,
        _("The recipient takes mail of certain senders only."),
        _ASK,
        _NDR_HOUSE,
        text=words(r"RESOLVER\.RST"),
    ),
    ProviderSaying(
        "recipient_rate",
        _ONLINE,
        "rate_limited",
        RECIPIENT,
        _("The recipient's mailbox gets more mail in an hour than it may."),
        _("The portal tries again by itself; send less to this one recipient."),
        _LIMITS,
        enhanced=("5.2.121", "5.2.122"),
    ),
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
