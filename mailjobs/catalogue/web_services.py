"""What Exchange Web Services and Microsoft Graph say."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from mailjobs.catalogue.microsoft import SEND_AS, SLOWER, WAIT
from mailjobs.catalogue.saying import ADMIN, EWS, GRAPH, PROVIDER, YOU, ProviderSaying, words

_WEB, _GRAPH = "Exchange (EWS)", "Microsoft Graph"
_CODES = "https://learn.microsoft.com/en-us/exchange/client-developer/web-service-reference/responsecode"
_ERRORS = "https://learn.microsoft.com/en-us/graph/errors"
_MAIL_SEND = "https://learn.microsoft.com/en-us/graph/api/user-sendmail"

WEB_SERVICES: Final[tuple[ProviderSaying, ...]] = (
    ProviderSaying(
        "ews_send_as",
        _WEB,
        "sender_refused",
        ADMIN,
        _("Exchange does not let this login send as this address."),
        SEND_AS,
        _CODES,
        text=words(r"^HTTP EWS ErrorSendAsDenied"),
        systems=EWS,
    ),
    ProviderSaying(
        "ews_access",
        _WEB,
        "other",
        ADMIN,
        _("The login may not use this mailbox over EWS."),
        _("Add-MailboxPermission MAILBOX -User LOGIN -AccessRights FullAccess; for a program the role ApplicationImpersonation."),
        _CODES,
        text=words(r"^HTTP EWS Error(AccessDenied|Impersonat\w+)"),
        systems=EWS,
    ),
    ProviderSaying(
        "ews_mailbox",
        _WEB,
        "other",
        ADMIN,
        _("There is no mailbox with the address of this login."),
        _("Enter the main address of the mailbox as the user: Get-Mailbox LOGIN | fl PrimarySmtpAddress"),
        _CODES,
        text=words(r"^HTTP EWS ErrorNon(ExistentMailbox|PrimarySmtpAddress)"),
        systems=EWS,
    ),
    ProviderSaying(
        "ews_busy",
        _WEB,
        "rate_limited",
        PROVIDER,
        _("Exchange has no time for this login at present (throttling)."),
        _(
            "The portal goes on by itself. In the house the policy can be widened: Set-ThrottlingPolicy NAME "
            "-EwsMaxConcurrency NUMBER"
        ),
        _CODES,
        text=words(r"^HTTP EWS Error(ServerBusy|ExceededConnectionCount|TooManyObjectsOpened|InsufficientResources)"),
        systems=EWS,
    ),
    ProviderSaying(
        "ews_quota",
        _WEB,
        "quota",
        PROVIDER,
        _("The mailbox has reached its allowance of mails or recipients."),
        WAIT,
        _CODES,
        text=words(r"^HTTP EWS Error(ExceededMessageLimit|SubmissionQuotaExceeded)"),
        systems=EWS,
    ),
    ProviderSaying(
        "ews_size",
        _WEB,
        "too_large",
        YOU,
        _("The mail is larger than Exchange takes."),
        _(
            "Send smaller attachments, or raise the limit of EWS: maxRequestLength in web.config and "
            "Set-TransportConfig -MaxSendSize"
        ),
        _CODES,
        text=words(r"^HTTP EWS Error(MessageSizeExceeded|AttachmentSizeLimitExceeded)"),
        systems=EWS,
    ),
    ProviderSaying(
        "ews_recipients",
        _WEB,
        "recipient_refused",
        YOU,
        _("Exchange does not accept an address of the recipients."),
        _("Check the addresses of this mail and correct them where they come from."),
        _CODES,
        text=words(r"^HTTP EWS Error(InvalidRecipients|MailRecipientNotFound)"),
        systems=EWS,
    ),
    ProviderSaying(
        "graph_throttled",
        _GRAPH,
        "rate_limited",
        PROVIDER,
        _("Microsoft Graph takes no more from this app or mailbox for now."),
        SLOWER,
        "https://learn.microsoft.com/en-us/graph/throttling",
        codes=frozenset({429}),
        systems=GRAPH,
    ),
    ProviderSaying(
        "graph_send_as",
        _GRAPH,
        "sender_refused",
        ADMIN,
        _("Microsoft Graph does not let this mailbox send as this address."),
        SEND_AS,
        _MAIL_SEND,
        text=words(r"ErrorSendAsDenied"),
        systems=GRAPH,
    ),
    ProviderSaying(
        "graph_permission",
        _GRAPH,
        "token_refused",
        ADMIN,
        _("The portal's app registration lacks a permission, or a policy keeps it from this mailbox."),
        _(
            "In Entra ID grant Mail.Send (and Mail.ReadWrite for large mails) with admin consent. Policies: "
            "Test-ApplicationAccessPolicy -Identity MAILBOX -AppId CLIENT-ID"
        ),
        _ERRORS,
        codes=frozenset({403}),
        text=words(r"ErrorAccessDenied|Authorization_RequestDenied|AccessDenied|Forbidden"),
        systems=GRAPH,
    ),
    ProviderSaying(
        "graph_mailbox",
        _GRAPH,
        "token_refused",
        ADMIN,
        _("Microsoft Graph knows no mailbox of this name."),
        _("Enter the mailbox's address as the user; it needs a licence with Exchange Online."),
        _ERRORS,
        codes=frozenset({404}),
        systems=GRAPH,
    ),
    ProviderSaying(
        "graph_token",
        _GRAPH,
        "token_expired",
        ADMIN,
        _("Microsoft Graph does not accept the access token."),
        _("Connect the mailbox again, or enter a new client secret; look at the portal's clock, too."),
        _ERRORS,
        codes=frozenset({401}),
        text=words(r"InvalidAuthenticationToken|token"),
        systems=GRAPH,
    ),
)
