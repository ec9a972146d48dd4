"""What the causes of the contract mean, who must act, what to do next (D2)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from django.utils.translation import gettext_lazy as _


class Words(NamedTuple):
    """`who`: administrator, provider, recipient, operator or you."""

    who: str
    meaning: object
    remedy: object


_ADMIN, _PROVIDER, _RECIPIENT, _OPERATOR = "administrator", "provider", "recipient", "operator"
CAUSES: Final[Mapping[str, Words]] = {
    "no_server": Words(
        _ADMIN,
        _("No mail server is entered that this mail could go by."),
        _("Enter server, port, TLS and login in the general parameters. Outlook shows them under its account settings."),
    ),
    "secret_needed": Words(
        _ADMIN,
        _("The login lacks its password, or server, port, TLS or user have changed since it was entered."),
        _("Enter the password again where the user of this login stands."),
    ),
    "host_not_allowed": Words(
        _ADMIN,
        _("This mail server may not be used."),
        _("Enter the provider's mail server. A server in the firm's own network must be allowed by the firm's administrator."),
    ),
    "libraries_missing": Words(
        _OPERATOR,
        _("The portal lacks what this send system needs."),
        _("The operator installs it (make kerberos), or another send system is chosen."),
    ),
    "shared_identity": Words(
        _ADMIN,
        _("With this send system everybody could send with any address, and nobody has confirmed that."),
        _("Switch on Check sender, or confirm it at the send system."),
    ),
    "user_inactive": Words(_ADMIN, _("The user is deactivated."), _("Activate the user, or diagnose the one who sends now.")),
    "print_model_unknown": Words(
        _ADMIN, _("There is no such print model in use."), _("Choose another print model, or activate it.")
    ),
    "by_client": Words(
        _ADMIN,
        _("A real mail would open in the mail client; what follows checks the server in force."),
        _("Where mail is to go by the server, set the send option or the delivery mode of the print model so."),
    ),
    "no_sender": Words(
        _ADMIN,
        _("No level offers a sender address."),
        _("Enter a general sender address, or one for this user, account or print model."),
    ),
    "check_sender": Words(
        _ADMIN,
        _("Check sender is on, and the user may not send with this address."),
        _("Link the user with an employee who has this address under E-Mail or further addresses, or use another sender."),
    ),
    "address_invalid": Words(_ADMIN, _("The sender is no valid address."), _("Correct the sender address where it stands.")),
    "foreign_address": Words(
        _ADMIN,
        _("The sender address belongs to somebody else, or has not been confirmed yet."),
        _("Use an own address, or confirm it by the mail that was sent to it."),
    ),
    "held": Words(
        _ADMIN,
        _("A real mail would wait for the firm's release, because it carries the firm's address. So no test mail is sent."),
        _("Enter an own sender address, or let the firm change its policy."),
    ),
    "redirected": Words(
        _ADMIN,
        _("Redirect is on: every mail goes to the redirect addresses only, the test mail too."),
        _("When the introduction is over, switch redirect off."),
    ),
    "captured": Words(
        _ADMIN,
        _("Redirect only captures: nothing is sent, every mail is kept to look at."),
        _("Switch capturing off to let mail go to the redirect addresses, or end the redirect."),
    ),
    "redirect_unreadable": Words(
        _OPERATOR, _("Whether redirect is on cannot be read, so nothing is sent."), _("Set redirect and its addresses anew.")
    ),
    "host_unknown": Words(
        _ADMIN,
        _("There is no server of this name."),
        _("Check the spelling of the mail server; the provider names the right one."),
    ),
    "dns_failure": Words(
        _OPERATOR,
        _("The name service did not answer, so nobody knows where the server is."),
        _("Try again in a few minutes; if it stays so, the operator checks the name service of the portal's machine."),
    ),
    "refused": Words(
        _ADMIN,
        _("The machine is there, but nothing answers on this port."),
        _("Check the port: 587 with STARTTLS, 465 with implicit TLS, 25 without login. A firewall may also refuse it."),
    ),
    "timeout": Words(
        _ADMIN,
        _("Nothing answered in time."),
        _("Check server and port. If they are right, a firewall swallows the connection, or the server is overloaded."),
    ),
    "unreachable": Words(
        _PROVIDER,
        _("The server cannot be reached from the portal."),
        _("Check network and firewall; the provider knows of outages."),
    ),
    "not_smtp": Words(
        _ADMIN,
        _("What answers is no mail server, or speaks TLS at once."),
        _("Check port and TLS: 465 wants implicit TLS, 587 STARTTLS."),
    ),
    "greeting_refused": Words(
        _PROVIDER,
        _("The server does not want to speak with the portal."),
        _("Its answer says why; often the portal's address is blocked."),
    ),
    "bad_reply": Words(
        _PROVIDER,
        _("What the server said makes no sense here."),
        _("Check server and port. If they are right, give the provider the dialogue below."),
    ),
    "starttls_missing": Words(
        _ADMIN,
        _("The server offers no STARTTLS, and mail never goes over an unprotected connection instead."),
        _("Use the provider's port for submission (587), or implicit TLS on 465. Something between may also strip STARTTLS."),
    ),
    "no_tls": Words(
        _ADMIN, _("The connection is not encrypted."), _("Choose STARTTLS or implicit TLS where the server offers it.")
    ),
    "tls_version": Words(
        _PROVIDER,
        _("The server speaks only outdated TLS, or no TLS on this port."),
        _("Check port and TLS mode; the provider must offer at least TLS 1.2."),
    ),
    "certificate_expired": Words(
        _PROVIDER, _("The server's certificate has expired."), _("Whoever runs the mail server renews its certificate.")
    ),
    "certificate_ends": Words(
        _PROVIDER, _("The server's certificate ends soon."), _("Whoever runs the mail server renews its certificate in time.")
    ),
    "certificate_name": Words(
        _ADMIN,
        _("The certificate is made out to another name than the server you entered."),
        _("Enter the server by the name in its certificate; the provider names it."),
    ),
    "certificate_untrusted": Words(
        _ADMIN,
        _("Nobody whom the portal trusts vouches for the certificate."),
        _("For an own server enter its CA certificate at the connection; a provider must use a public one."),
    ),
    "auth_needs_tls": Words(
        _ADMIN,
        _("The login would need TLS, and the connection has none."),
        _("Choose STARTTLS or implicit TLS at the connection."),
    ),
    "auth_needed": Words(
        _ADMIN,
        _("The server takes mail only after a login, and none is entered."),
        _("Enter user and password at the connection."),
    ),
    "mechanism_missing": Words(
        _ADMIN,
        _("The server offers no way to log in that this send system knows."),
        _("Choose the send system that fits what the server offers, or switch the login on at the server."),
    ),
    "wrong_credentials": Words(
        _ADMIN,
        _("User or password are wrong for this server."),
        _("Enter user and password anew. With two-factor log-in the provider wants an app password."),
    ),
    "account_locked": Words(
        _PROVIDER,
        _("The account is locked or disabled at the mail server."),
        _("Whoever runs the mail server unlocks it; then enter the right password before mail is tried again."),
    ),
    "basic_auth_disabled": Words(
        _ADMIN,
        _("The provider no longer lets user and password log in."),
        _(
            "Change to OAuth (send system 8 to 11). In Exchange Online it can be allowed again for a mailbox while that lasts: "
            "Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false"
        ),
    ),
    "ews_disabled": Words(
        _ADMIN,
        _("EWS is switched off for this login."),
        _(
            "Change to Microsoft Graph (10 or 11), or Exchange's administrator allows it: Set-CASMailbox -Identity "
            "ADDRESS -EwsEnabled $true"
        ),
    ),
    "no_ticket": Words(
        _OPERATOR,
        _("The portal itself could not be identified for this send system."),
        _("The operator renews keytab or ticket (kinit), or sees to the domain controller; the answer below says which."),
    ),
    "clock_skew": Words(
        _OPERATOR,
        _("The clocks of portal and domain controller differ too much."),
        _("The operator sets the clocks by one time server."),
    ),
    "token_expired": Words(
        _ADMIN,
        _("The mailbox's consent or token has expired."),
        _("Connect the mailbox again in the settings of the connection."),
    ),
    "token_refused": Words(
        _ADMIN,
        _("The server or the authority does not accept the portal's registration or token."),
        _(
            "Check tenant, client ID and secret of the app registration, its permissions, and whether the mailbox is "
            "the right one."
        ),
    ),
    "sender_refused": Words(
        _PROVIDER,
        _("The login may not send with this sender address."),
        _(
            "Give the login the right, or send with its own address. Exchange: Add-RecipientPermission SENDER -Trustee LOGIN "
            "-AccessRights SendAs; on premises: Add-ADPermission with the extended right Send-As."
        ),
    ),
    "recipient_refused": Words(
        _RECIPIENT,
        _("The server does not know or take this recipient."),
        _("Check the address, and ask the recipient for the right one."),
    ),
    "greylisted": Words(
        _RECIPIENT,
        _("The recipient's server lets unknown senders wait for a few minutes."),
        _("Nothing: the portal tries again by itself. A second diagnosis in ten minutes is the proof."),
    ),
    "relay_denied": Words(
        _ADMIN,
        _("The server takes no mail for others from this login."),
        _("Enter user and password, or let the server allow relaying for the portal's address or login."),
    ),
    "mailbox_full": Words(_RECIPIENT, _("The recipient's mailbox is full."), _("The recipient makes room.")),
    "too_many_recipients": Words(
        _PROVIDER, _("The server takes fewer recipients at once."), _("Nothing: the portal splits such a mail by itself.")
    ),
    "too_large": Words(
        _PROVIDER,
        _("The mail is larger than the server takes."),
        _("Send smaller attachments, or let the server's limit be raised."),
    ),
    "no_worker": Words(
        _OPERATOR,
        _("No worker is alive that would send what is queued."),
        _("The operator starts the workers; what waits then goes out by itself."),
    ),
    "login_paused": Words(
        _ADMIN,
        _("The server has refused this login before; so that the account is not locked, its mails wait."),
        _("If the steps before are in order, release it: one mail goes first, the others follow."),
    ),
    "content_refused": Words(
        _PROVIDER,
        _("The server objects to the content of the mail."),
        _("Its answer says why; a filter may have to be adjusted."),
    ),
    "quota": Words(
        _PROVIDER, _("The allowance of this login is used up."), _("Wait until it is renewed, or let the provider raise it.")
    ),
    "rate_limited": Words(
        _PROVIDER,
        _("The server, or a limit of the connection, lets no more through for now."),
        _("Wait: the portal goes on by itself, more slowly. The diagnosis itself counts towards such limits."),
    ),
    "no_reply": Words(
        _PROVIDER,
        _("The server got the mail and did not say what became of it."),
        _("It may have arrived: look into the mailbox. If it stays so, give the provider the dialogue below."),
    ),
    "closed_by_server": Words(
        _PROVIDER,
        _("The server closed the connection without a word."),
        _("Check port and TLS; if they are right, ask the provider whether the portal's address is blocked."),
    ),
    "other": Words(_PROVIDER, _("The server refuses, for a reason of its own."), _("Its answer below says why.")),
    "spf": Words(
        _ADMIN,
        _("The SPF record of the sender's domain does not let this server send, or cannot be used."),
        _("Whoever runs the domain's DNS adds the mail server to the one SPF record; the finding says what is missing."),
    ),
    "dkim": Words(
        _PROVIDER,
        _("The sender's domain publishes no usable key for signatures (DKIM)."),
        _("Switch DKIM on at the mail server or provider and enter the key it names in the domain's DNS."),
    ),
    "dmarc": Words(
        _ADMIN,
        _("The sender's domain has no usable DMARC record, or its mail would not pass it."),
        _(
            "Enter a TXT record _dmarc with v=DMARC1; p=none and an address for reports, and see that SPF or DKIM "
            "carries this domain."
        ),
    ),
    "mx": Words(
        _ADMIN,
        _("The sender's domain takes no mail, so answers and reports of failure find nobody."),
        _("Correct the domain of the sender address, or enter MX records for it in its DNS."),
    ),
}
