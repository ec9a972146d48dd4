"""How mail systems say in words that a mail did not arrive: each case in the manner of the system that it is named after.

`{id}` stands for the Message-ID of the mail, `max@kunde.example` was its recipient.
"""

from typing import NamedTuple

FAILED, DELAYED = "failed", "delayed"
DAEMON = "Mail Delivery System <mailer-daemon@mx.kunde.example>"
ORIGINAL = """

--- The original message headers follow ---

Received: from portal.example by mx.kunde.example; Tue, 24 Nov 2026 08:00:00 +0100
From: Kanzlei Huber <office@kanzlei-huber.example>
To: max@kunde.example
Subject: Rechnung 17
Message-ID: {id}
"""


class Case(NamedTuple):
    name: str
    subject: str
    text: str
    status: str
    fate: str = FAILED
    sender: str = DAEMON
    headers: str = ""


CASES = [
    Case("qmail", "failure notice", "This is the qmail program at mx.kunde.example.\nI could not deliver your mail.\n\n<max@kunde.example>:\nSorry, no mailbox here by that name. (#5.1.1)", "5.1.1"),
    Case("qmail, remote", "failure notice", "<max@kunde.example>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 no such user here\nGiving up on 192.0.2.7.", "5.1.1"),
    Case("qmail, old", "failure notice", "<max@kunde.example>:\nI'm not going to try again; this message has been in the queue too long.", "5.4.7"),
    Case("Exim", "Mail delivery failed: returning message to sender", "A message that you sent could not be delivered to all of its recipients.\n\n  max@kunde.example\n    host mx.kunde.example [192.0.2.7]\n    SMTP error from remote mail server after RCPT TO:<max@kunde.example>:\n    550 5.1.1 Mailbox does not exist", "5.1.1", headers="X-Failed-Recipients: max@kunde.example\n"),
    Case("Exim, unrouteable", "Mail delivery failed: returning message to sender", "  max@kunde.example\n    Unrouteable address", "5.1.1", headers="X-Failed-Recipients: max@kunde.example\n"),
    Case("Exim, retry timeout", "Mail delivery failed", "  max@kunde.example\n    mx.kunde.example: retry timeout exceeded", "5.4.7", headers="X-Failed-Recipients: max@kunde.example\n"),
    Case("Exim, delayed", "Warning: message 1abcDE-000123-XY delayed 24 hours", "The mail has not yet been delivered to:\n\n  max@kunde.example\n    Delay reason: connection refused\n\nNo action is required on your part.", "5.4.1".replace("5", "4", 1), DELAYED),
    Case("sendmail", "Returned mail: see transcript for details", "   ----- The following addresses had permanent fatal errors -----\n<max@kunde.example>\n    (reason: 550 5.1.1 <max@kunde.example>... User unknown)", "5.1.1"),
    Case("sendmail, old", "Returned mail: User unknown", "----- Transcript of session follows -----\n550 max@kunde.example... User unknown", "5.1.1"),
    Case("sendmail, warning", "Warning: could not send message for past 4 hours", "The following addresses had transient non-fatal errors\n<max@kunde.example>\nWarning: message still being retried, will keep trying until it is 5 days old", "", DELAYED, "postmaster@mx.kunde.example"),
    Case("Exchange 2003, German", "Unzustellbar: Rechnung 17", "Ihre Nachricht hat einige oder alle Empfänger nicht erreicht.\n\nmax@kunde.example am 24.11.2026 08:00\nDas E-Mail-Konto ist in der Organisation nicht vorhanden.\n<mx.kunde.example #5.1.1>", "5.1.1", sender="System-Administrator <postmaster@kunde.example>"),
    Case("Exchange 2003, full", "Undeliverable: Rechnung 17", "max@kunde.example on 24.11.2026 08:00\nThe recipient's mailbox is full and cannot take messages now.", "5.2.2", sender="System Administrator <postmaster@kunde.example>"),
    Case("Exchange Online, German", "Unzustellbar: Rechnung 17", "Ihre Nachricht an max@kunde.example konnte nicht zugestellt werden.\nmax wurde unter kunde.example nicht gefunden.\n550 5.1.10 RESOLVER.ADR.RecipientNotFound", "5.1.10", sender="postmaster@kunde.example"),
    Case("Exchange, not allowed", "Undeliverable: Rechnung 17", "Delivery has failed to these recipients:\nmax@kunde.example\nYour message wasn't delivered because the recipient only takes mail of certain people.\n#550 5.7.133 SenderNotAuthenticatedForGroup", "5.7.133", sender="postmaster@kunde.example"),
    Case("Domino", "DELIVERY FAILURE: User max (max@kunde.example) not listed in Domino Directory", "Your message could not be delivered to:\nmax@kunde.example\nbecause:\nUser max (max@kunde.example) not listed in Domino Directory", "5.1.1", sender="Postmaster <postmaster@kunde.example>"),
    Case("GroupWise", "Message status - undeliverable", "The message that you sent was undeliverable to the following:\n\tmax@kunde.example (User not found)", "5.1.1", sender="Mail Delivery Subsystem <postmaster@kunde.example>"),
    Case("Yahoo", "Failure Notice", "Sorry, we were unable to deliver your message to the following address.\n\n<max@kunde.example>:\n554: delivery error: dd This user doesn't have a kunde.example account (max@kunde.example) [0]", "5.1.1", sender="MAILER-DAEMON@kunde.example"),
    Case("GMX", "Mail delivery failed: returning message to sender", "This message was created automatically by mail delivery software.\n\nmax@kunde.example:\nSMTP error from remote server for RCPT TO command, host: mx.kunde.example (192.0.2.7) reason: 550 Requested action not taken: mailbox unavailable", ""),
    Case("T-Online", "Undelivered Mail Returned to Sender", "|------------------------- Message log follows: -------------------------|\n no valid recipients were found for this message\n|------------------------- Failed addresses follow: ---------------------|\n <max@kunde.example> ... unknown host", "", sender="postmaster@mx.kunde.example"),
    Case("web.de, full", "Mail delivery failed", "max@kunde.example\nDas Postfach des Empfängers ist voll (552 Quota exceeded).", "5.2.2"),
    Case("Gmail, in words", "Delivery Status Notification (Failure)", "Address not found\nYour message wasn't delivered to max@kunde.example because the address couldn't be found, or is unable to receive mail.\nThe response was:\n550 5.1.1 The email account that you tried to reach does not exist.", "5.1.1", sender="Mail Delivery Subsystem <mailer-daemon@mail.kunde.example>"),
    Case("Gmail, delayed", "Delivery Status Notification (Delay)", "There was a temporary problem delivering your message to max@kunde.example. Gmail will retry for 46 more hours.\nThe response was: 452 4.2.2 The recipient's inbox is out of storage space", "4.2.2", DELAYED),
    Case("AOL", "Mail Delivery Problem", "Your mail to the following recipients could not be delivered because they are not accepting mail from you:\n\tmax@kunde.example", "", sender="MAILER-DAEMON@mx.kunde.example"),
    Case("IMail", "Undeliverable Mail", "Unknown user: max@kunde.example\n\nRCPT TO generated following response:\n550 unknown user", "5.1.1", sender="Postmaster <postmaster@kunde.example>"),
    Case("MDaemon", "Permanent Delivery Failure", "The following data may contain sections which represent BASE64 encoded file attachments.\nFailed recipient: max@kunde.example\nReason: 550 <max@kunde.example>: Recipient address rejected", "5.7.1", sender="MDaemon <MAILER-DAEMON@kunde.example>"),
    Case("Kerio", "Delivery report: Returned mail", "Message has been sent, but could not be delivered to the following recipient:\nmax@kunde.example\nRemote server: 550 5.7.1 Unable to relay", "5.7.1", sender="Mail Server <postmaster@kunde.example>"),
    Case("hMailServer", "Message undeliverable: Rechnung 17", "Your message did not reach some or all of the intended recipients.\n\n   max@kunde.example\n   Error Type: SMTP\n   Remote server replied: 550 Unknown user", "5.1.1", sender="mailer-daemon@kunde.example"),
    Case("Courier", "NOTICE: mail delivery status.", "UNDELIVERABLE MAIL\n\n<max@kunde.example>:\n   mx.kunde.example [192.0.2.7]:\n >>> RCPT TO:<max@kunde.example>\n <<< 550 User unknown.", "5.1.1", sender="Courier mail server at mx <MAILER-DAEMON@kunde.example>"),
    Case("MailEnable", "Message Delivery Failure", "MailEnable: Message Delivery Failure.\nRecipient: [SMTP:max@kunde.example]\nReason: The domain kunde.example does not exist", "5.1.2", sender="Postmaster <postmaster@kunde.example>"),
    Case("CommuniGate", "Undeliverable mail: Rechnung 17", "Failed to deliver to 'max@kunde.example'\nLOCAL module(account max) reports:\n account is full (quota exceeded)", "5.2.2", sender="MAILER-DAEMON@kunde.example"),
    Case("IronPort", "Delivery Status Notification (Failure)", "The following message to <max@kunde.example> was undeliverable.\nThe reason for the problem:\n5.1.0 - Unknown address error 550-'5.1.1 not our customer'", "5.1.0"),
    Case("Barracuda", "**Message you sent blocked by our bulk email filter**", "Your message to: max@kunde.example\nwas blocked by our Spam Firewall. Delivery has failed.", "5.7.1", sender="postmaster@kunde.example", headers="X-Failed-Recipients: max@kunde.example\n"),
    Case("InterMail", "Mail System Error - Returned Mail", "This Message was undeliverable due to the following reason:\n\nThe user(s) account is temporarily over quota.\n<max@kunde.example>", "5.2.2", sender="Mail Administrator <Postmaster@kunde.example>"),
    Case("Mercury", "Postmaster notify: delivery failure.", "The following addresses could not be reached:\n max@kunde.example - unable to resolve: host unknown", "5.1.2", sender="Mail Administrator <postmaster@kunde.example>"),
    Case("mailing loop", "Undeliverable mail", "max@kunde.example\n554 too many hops, this message is looping", "5.4.6"),
    Case("size", "Nicht zugestellt: Rechnung 17", "An max@kunde.example konnte nicht zugestellt werden: Die Nachricht ist zu groß (552).", "5.3.4"),
    Case("German hoster", "Fehler bei der Zustellung", "Die Zustellung an max@kunde.example ist fehlgeschlagen.\nGrund: Unbekannter Benutzer", "5.1.1", sender="Mail Delivery System <mailer-daemon@hoster.example>"),
    Case("German hoster, delayed", "Zustellung verzögert", "Ihre Nachricht an max@kunde.example wurde noch nicht zugestellt.\nDer Server ist nicht erreichbar, die Zustellung wird weiter versucht.", "4.4.1", DELAYED),
]  # fmt: skip

NO_REPORTS = {
    "an answer": (
        "Max <max@kunde.example>",
        "Re: Rechnung 17",
        "Danke! Ihre Rechnung 17 habe ich erhalten.\n\n> Message-ID: {id}",
        "",
    ),
    "out of office": (
        "max@kunde.example",
        "Abwesend: Rechnung 17",
        "Ich bin nicht da. Message-ID: {id}",
        "Auto-Submitted: auto-replied\n",
    ),
    "a mail of a postmaster": (
        "postmaster@kunde.example",
        "Wartung am Samstag",
        "Am Samstag ist der Server nicht erreichbar.",
        "",
    ),
    "a bounce of nothing we know": (DAEMON, "failure notice", "<max@kunde.example>: no such user here", ""),
    "a forged report of a person": (
        "Max <max@kunde.example>",
        "Mail delivery failed",
        "max@kunde.example unknown\nMessage-ID: {id}",
        "",
    ),
}
