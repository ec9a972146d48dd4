"""What a cause means, who must act and what to do next, in the reader's words (D2)."""

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from diagnostics.core.findings import Cause, Who


class Explained(NamedTuple):
    """`who` is who can end such a cause in general; whether that is the reader, `diagnosis` knows."""

    who: str
    meaning: object
    remedy: object


_ADMIN, _PROVIDER, _RECIPIENT, _OPERATOR = Who.ADMINISTRATOR, Who.PROVIDER, Who.RECIPIENT, Who.OPERATOR
_MEANINGS: Mapping[str, Explained] = {
    Cause.NO_SERVER: Explained(
        _ADMIN,
        _("No mail server is entered that this mail could go by."),
        _("Enter server, port, TLS and login in the general parameters. Outlook shows them under its account settings."),
    ),
    Cause.SECRET_NEEDED: Explained(
        _ADMIN,
        _("The login lacks its password, or server, port, TLS or user have changed since it was entered."),
        _("Enter the password again where the user of this login stands."),
    ),
    Cause.HOST_NOT_ALLOWED: Explained(
        _ADMIN,
        _("This mail server may not be used."),
        _("Enter the provider's mail server. A server in the firm's own network must be allowed by the firm's administrator."),
    ),
    Cause.LIBRARIES_MISSING: Explained(
        _OPERATOR,
        _("The portal lacks what this send system needs."),
        _("The operator installs it (make kerberos), or another send system is chosen."),
    ),
    Cause.SHARED_IDENTITY: Explained(
        _ADMIN,
        _("With this send system everybody could send with any address, and nobody has confirmed that."),
        _("Switch on Check sender, or confirm it at the send system."),
    ),
    Cause.USER_INACTIVE: Explained(
        _ADMIN, _("The user is deactivated."), _("Activate the user, or diagnose the one who sends now.")
    ),
    Cause.PRINT_MODEL_UNKNOWN: Explained(
        _ADMIN, _("There is no such print model in use."), _("Choose another print model, or activate it.")
    ),
    Cause.BY_CLIENT: Explained(
        _ADMIN,
        _("A real mail would open in the mail client; what follows checks the server in force."),
        _("Where mail is to go by the server, set the send option or the delivery mode of the print model so."),
    ),
    Cause.NO_SENDER: Explained(
        _ADMIN,
        _("No level offers a sender address."),
        _("Enter a general sender address, or one for this user, account or print model."),
    ),
    Cause.CHECK_SENDER: Explained(
        _ADMIN,
        _("Check sender is on, and the user may not send with this address."),
        _("Link the user with an employee who has this address under E-Mail or further addresses, or use another sender."),
    ),
    Cause.ADDRESS_INVALID: Explained(
        _ADMIN, _("The sender is no valid address."), _("Correct the sender address where it stands.")
    ),
    Cause.FOREIGN_ADDRESS: Explained(
        _ADMIN,
        _("The sender address belongs to somebody else, or has not been confirmed yet."),
        _("Use an own address, or confirm it by the mail that was sent to it."),
    ),
    Cause.HELD: Explained(
        _ADMIN,
        _("A real mail would wait for the firm's release, because it carries the firm's address. So no test mail is sent."),
        _("Enter an own sender address, or let the firm change its policy."),
    ),
    Cause.REDIRECTED: Explained(
        _ADMIN,
        _("Redirect is on: every mail goes to the redirect addresses only, the test mail too."),
        _("When the introduction is over, switch redirect off."),
    ),
    Cause.CAPTURED: Explained(
        _ADMIN,
        _("Redirect only captures: nothing is sent, every mail is kept to look at."),
        _("Switch capturing off to let mail go to the redirect addresses, or end the redirect."),
    ),
    Cause.REDIRECT_UNREADABLE: Explained(
        _OPERATOR, _("Whether redirect is on cannot be read, so nothing is sent."), _("Set redirect and its addresses anew.")
    ),
    Cause.HOST_UNKNOWN: Explained(
        _ADMIN,
        _("There is no server of this name."),
        _("Check the spelling of the mail server; the provider names the right one."),
    ),
    Cause.DNS_FAILURE: Explained(
        _OPERATOR,
        _("The name service did not answer, so nobody knows where the server is."),
        _("Try again in a few minutes; if it stays so, the operator checks the name service of the portal's machine."),
    ),
    Cause.REFUSED: Explained(
        _ADMIN,
        _("The machine is there, but nothing answers on this port."),
        _("Check the port: 587 with STARTTLS, 465 with implicit TLS, 25 without login. A firewall may also refuse it."),
    ),
    Cause.TIMEOUT: Explained(
        _ADMIN,
        _("Nothing answered in time."),
        _("Check server and port. If they are right, a firewall swallows the connection, or the server is overloaded."),
    ),
    Cause.UNREACHABLE: Explained(
        _PROVIDER,
        _("The server cannot be reached from the portal."),
        _("Check network and firewall; the provider knows of outages."),
    ),
    Cause.NOT_SMTP: Explained(
        _ADMIN,
        _("What answers is no mail server, or speaks TLS at once."),
        _("Check port and TLS: 465 wants implicit TLS, 587 STARTTLS."),
    ),
    Cause.GREETING_REFUSED: Explained(
        _PROVIDER,
        _("The server does not want to speak with the portal."),
        _("Its answer says why; often the portal's address is blocked."),
    ),
    Cause.BAD_REPLY: Explained(
        _PROVIDER,
        _("What the server said makes no sense here."),
        _("Check server and port. If they are right, give the provider the dialogue below."),
    ),
    Cause.STARTTLS_MISSING: Explained(
        _ADMIN,
        _("The server offers no STARTTLS, and mail never goes over an unprotected connection instead."),
        _("Use the provider's port for submission (587), or implicit TLS on 465. Something between may also strip STARTTLS."),
    ),
    Cause.NO_TLS: Explained(
        _ADMIN, _("The connection is not encrypted."), _("Choose STARTTLS or implicit TLS where the server offers it.")
    ),
    Cause.TLS_VERSION: Explained(
        _PROVIDER,
        _("The server speaks only outdated TLS, or no TLS on this port."),
        _("Check port and TLS mode; the provider must offer at least TLS 1.2."),
    ),
    Cause.CERTIFICATE_EXPIRED: Explained(
        _PROVIDER, _("The server's certificate has expired."), _("Whoever runs the mail server renews its certificate.")
    ),
    Cause.CERTIFICATE_ENDS: Explained(
        _PROVIDER, _("The server's certificate ends soon."), _("Whoever runs the mail server renews its certificate in time.")
    ),
    Cause.CERTIFICATE_NAME: Explained(
        _ADMIN,
        _("The certificate is made out to another name than the server you entered."),
        _("Enter the server by the name in its certificate; the provider names it."),
    ),
    Cause.CERTIFICATE_UNTRUSTED: Explained(
        _ADMIN,
        _("Nobody whom the portal trusts vouches for the certificate."),
        _("For an own server enter its CA certificate at the connection; a provider must use a public one."),
    ),
    Cause.AUTH_NEEDS_TLS: Explained(
        _ADMIN,
        _("The login would need TLS, and the connection has none."),
        _("Choose STARTTLS or implicit TLS at the connection."),
    ),
    Cause.AUTH_NEEDED: Explained(
        _ADMIN,
        _("The server takes mail only after a login, and none is entered."),
        _("Enter user and password at the connection."),
    ),
    Cause.MECHANISM_MISSING: Explained(
        _ADMIN,
        _("The server offers no way to log in that this send system knows."),
        _("Choose the send system that fits what the server offers, or switch the login on at the server."),
    ),
    Cause.WRONG_CREDENTIALS: Explained(
        _ADMIN,
        _("User or password are wrong for this server."),
        _("Enter user and password anew. With two-factor log-in the provider wants an app password."),
    ),
    Cause.ACCOUNT_LOCKED: Explained(
        _PROVIDER,
        _("The account is locked or disabled at the mail server."),
        _("Whoever runs the mail server unlocks it; then enter the right password before mail is tried again."),
    ),
    Cause.BASIC_AUTH_DISABLED: Explained(
        _ADMIN,
        _("The provider no longer lets user and password log in."),
        _(
            "Change to OAuth (send system 8 to 11). In Exchange Online it can be allowed again for a mailbox while that lasts: "
            "Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false"
        ),
    ),
    Cause.EWS_DISABLED: Explained(
        _ADMIN,
        _("EWS is switched off for this login."),
        _(
            "Change to Microsoft Graph (10 or 11), or Exchange's administrator allows it: "
            "Set-CASMailbox -Identity ADDRESS -EwsEnabled $true"
        ),
    ),
    Cause.NO_TICKET: Explained(
        _OPERATOR,
        _("The portal itself could not be identified for this send system."),
        _("The operator renews keytab or ticket (kinit), or sees to the domain controller; the answer below says which."),
    ),
    Cause.CLOCK_SKEW: Explained(
        _OPERATOR,
        _("The clocks of portal and domain controller differ too much."),
        _("The operator sets the clocks by one time server."),
    ),
    Cause.TOKEN_EXPIRED: Explained(
        _ADMIN,
        _("The mailbox's consent or token has expired."),
        _("Connect the mailbox again in the settings of the connection."),
    ),
    Cause.TOKEN_REFUSED: Explained(
        _ADMIN,
        _("The server or the authority does not accept the portal's registration or token."),
        _("Check tenant, client ID and secret of the app registration, its permissions, and whether the mailbox is right."),
    ),
    Cause.SENDER_REFUSED: Explained(
        _PROVIDER,
        _("The login may not send with this sender address."),
        _(
            "Give the login the right, or send with its own address. Exchange: Add-RecipientPermission SENDER -Trustee LOGIN "
            "-AccessRights SendAs; on premises: Add-ADPermission with the extended right Send-As."
        ),
    ),
    Cause.RECIPIENT_REFUSED: Explained(
        _RECIPIENT,
        _("The server does not know or take this recipient."),
        _("Check the address, and ask the recipient for the right one."),
    ),
    Cause.GREYLISTED: Explained(
        _RECIPIENT,
        _("The recipient's server lets unknown senders wait for a few minutes."),
        _("Nothing: the portal tries again by itself. A second diagnosis in ten minutes is the proof."),
    ),
    Cause.RELAY_DENIED: Explained(
        _ADMIN,
        _("The server takes no mail for others from this login."),
        _("Enter user and password, or let the server allow relaying for the portal's address or login."),
    ),
    Cause.MAILBOX_FULL: Explained(_RECIPIENT, _("The recipient's mailbox is full."), _("The recipient makes room.")),
    Cause.TOO_MANY_RECIPIENTS: Explained(
        _PROVIDER, _("The server takes fewer recipients at once."), _("Nothing: the portal splits such a mail by itself.")
    ),
    Cause.TOO_LARGE: Explained(
        _PROVIDER,
        _("The mail is larger than the server takes."),
        _("Send smaller attachments, or let the server's limit be raised."),
    ),
    Cause.NO_WORKER: Explained(
        _OPERATOR,
        _("No worker is alive that would send what is queued."),
        _("The operator starts the workers; what waits then goes out by itself."),
    ),
    Cause.LOGIN_PAUSED: Explained(
        _ADMIN,
        _("The server has refused this login before; so that the account is not locked, its mails wait."),
        _("If the steps before are in order, release it: one mail goes first, the others follow."),
    ),
    Cause.CONTENT_REFUSED: Explained(
        _PROVIDER,
        _("The server objects to the content of the mail."),
        _("Its answer says why; a filter may have to be adjusted."),
    ),
    Cause.QUOTA: Explained(
        _PROVIDER, _("The allowance of this login is used up."), _("Wait until it is renewed, or let the provider raise it.")
    ),
    Cause.RATE_LIMITED: Explained(
        _PROVIDER,
        _("The server, or a limit of the connection, lets no more through for now."),
        _("Wait: the portal goes on by itself, more slowly. The diagnosis itself counts towards such limits."),
    ),
    Cause.NO_REPLY: Explained(
        _PROVIDER,
        _("The server got the mail and did not say what became of it."),
        _("It may have arrived: look into the mailbox. If it stays so, give the provider the dialogue below."),
    ),
    Cause.CLOSED_BY_SERVER: Explained(
        _PROVIDER,
        _("The server closed the connection without a word."),
        _("Check port and TLS; if they are right, ask the provider whether the portal's address is blocked."),
    ),
    Cause.OTHER: Explained(_PROVIDER, _("The server refuses, for a reason of its own."), _("Its answer below says why.")),
}
_FINE = Explained("", "", "")


def explain(cause: str, reply: str, system: int | None) -> Explained:
    """Who must act, what it means, what to do; all empty without a cause. `reply` is what was said, `system` the send system."""
    return _MEANINGS.get(cause, _MEANINGS[Cause.OTHER]) if cause else _FINE
