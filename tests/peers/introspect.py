"""A token introspection endpoint (RFC 7662) for Dovecot, plus a client-credentials token endpoint; standard library only.

introspect.py PORT [STATE]. Token "good:<user>" is active for that user, "expired:<user>" is not, "broken" answers 500; those of
`tokens.py` count while they hold, are for SMTP and do not stand among the revoked ones of the state folder.
POST /token (any client id, client_secret "client-secret") gives {"access_token": "good:<username or 'relay@test.local'>", ...}.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script

from tests.peers.tokens import SMTP_AUDIENCE, SMTP_SCOPES, active, revoked

Answer = tuple[int, dict[str, object]]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = {name: values[0] for name, values in parse_qs(raw).items()}
        code, body = token(form) if self.path.endswith("/token") else introspection(form)
        octets = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)


def token(form: dict[str, str]) -> Answer:
    if form.get("client_secret") != "client-secret":
        return 401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"}
    user = form.get("username", "relay@test.local")
    return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": f"good:{user}"}


def introspection(form: dict[str, str]) -> Answer:
    match form.get("token", "").partition(":"):
        case "broken", _, _:
            return 500, {"error": "server_error"}
        case "good", _, user:
            return 200, {"active": True, "username": user, "scope": "SMTP.SendAsApp"}
        case _:
            return 200, issued(form.get("token", ""))


def issued(token: str) -> dict[str, object]:
    """What RFC 7662 says of a token of `tokens.py`."""
    claims = active(token, audience=SMTP_AUDIENCE, revoked=revoked(Path(sys.argv[2]))) or {}
    scope = str(claims.get("scp", ""))
    return {"active": not SMTP_SCOPES.isdisjoint(scope.split()), "username": claims.get("upn"), "scope": scope}


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
