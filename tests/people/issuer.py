"""A small OpenID Connect provider over TLS with a real signing key: discovery, keys, token endpoint."""

import base64
import hashlib
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from diagnostics.sink import certificate_authority

CLIENT, SECRET = "postausgang", "only-for-tests"


class Issuer:
    """Its `claims` are what the next ID token says; `key` signs it, `published` are the keys it shows."""

    def __init__(self, folder: Path) -> None:
        self.key = self.published = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.claims: dict[str, Any] = {"sub": "4711", "email": "anna@kanzlei-huber.example", "preferred_username": "anna"}
        self.challenges: dict[str, str] = {}
        self.algorithm = "RS256"
        self.redeemed = 0
        self.ca_file = certificate_authority(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file.parent / "server.pem", self.ca_file.parent / "server.key")
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(issuer.show(urlsplit(self.path).path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.answer(issuer.redeem({name: values[0] for name, values in parse_qs(body).items()}))

            def answer(self, document: dict[str, Any] | None) -> None:
                body = json.dumps(document or {"error": "invalid_grant"}).encode()
                self.send_response(200 if document else 400)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def show(self, path: str) -> dict[str, Any] | None:
        if path == "/.well-known/openid-configuration":
            ends = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
            return {"issuer": self.url, **{name: self.url + end for name, end in ends.items()}}
        if path == "/keys":
            key = jwt.algorithms.RSAAlgorithm.to_jwk(self.published.public_key(), as_dict=True)
            return {"keys": [{**key, "kid": "one", "alg": "RS256", "use": "sig"}]}
        return None

    def authorize(self, address: str, **claims: Any) -> str:
        """Somebody consents: the query with which the browser is sent back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        self.challenges["the-code"] = asked["code_challenge"]
        now = int(time.time())
        self.said = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
            **claims,
        }
        return f"code=the-code&state={asked['state']}"

    def redeem(self, form: dict[str, str]) -> dict[str, Any] | None:
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if form.get("client_secret") != SECRET or self.challenges.pop(form["code"], "") != proof:
            return None
        self.redeemed += 1
        key: Any = self.key if self.algorithm == "RS256" else "a-secret-that-everybody-knows-and-that-is-long-enough"
        token = jwt.encode(self.said, key, algorithm=self.algorithm, headers={"kid": "one"})
        return {"access_token": "opaque", "token_type": "Bearer", "expires_in": 60, "id_token": token}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
