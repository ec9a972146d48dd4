"""How EWS is brought into the situations of `situations`, over the stand-in of Exchange."""

from collections.abc import Iterator
from contextlib import contextmanager

from diagnostics.sink import certificate_authority
from tests.peers.ews_standin import EwsStandIn
from tests.services import free_port
from tests.transports.situations import ANNA, Arranged, Column, Situation


class EwsColumn(Column):
    """All recipients or none: what is refused of one is refused of the mail."""

    systems = (6, 7)
    impossible = {Situation.PARTLY_REFUSED: "EWS takes a mail for all of its recipients or for none"}

    @contextmanager
    def arrange(self, situation: Situation) -> Iterator[Arranged]:
        with EwsStandIn() as self._service:
            yield self._arranged(situation)
            assert self._service.complaints == []

    def _arranged(self, situation: Situation) -> Arranged:
        service = self._service
        usual = {
            "ews_url": service.ews_url,
            "ews_auth": "ntlm",
            "smtp_user": "anna",
            "smtp_password": service.users["anna"],
            "ntlm_domain": "TEST",
            "ca_certificate": service.ca_pem,
            "sender_address": ANNA,
        }
        match situation:
            case Situation.REFUSED_FOR_GOOD:
                return Arranged(usual, ["reject-a@kunde.example"])
            case Situation.REFUSED_FOR_NOW:
                return Arranged(usual, ["grey-a@kunde.example"])
            case Situation.SENDER_REFUSED:
                return Arranged({**usual, "sender_address": "bernd@test.local"})
            case Situation.REPLY_LOST:
                service.faults.append("drop")
                return Arranged(usual)
            case Situation.SERVER_GONE:
                return Arranged({**usual, "ews_url": f"https://localhost:{free_port()}/EWS/Exchange.asmx"})
            case Situation.WRONG_CREDENTIALS:
                return Arranged({**usual, "smtp_password": "Falsches-Passwort-9"})
            case Situation.WRONG_CERTIFICATE:
                another = certificate_authority(self.request.getfixturevalue("tmp_path"))
                return Arranged({**usual, "ca_certificate": another.read_text()})
            case _:
                return Arranged(usual)

    def arrived(self, message_id: str, expected: int) -> int:
        return [taken.message_id for taken in self._service.taken].count(message_id)
