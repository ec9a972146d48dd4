"""The local test mail server: takes mail as a provider would, delivers none of it, keeps each as a file to look at.

Under the folder: `new/<time>-<number>.eml` (two lines `X-Envelope-From`, `X-Envelope-To` (JSON list), then the message as
received), `users` (one `login password` a line, read at each login), `tls/ca.pem` (whom clients must trust).
Recipients `reject-...@` and `grey-...@` are refused for good and for now, so that the portal has failures to show.
"""

import asyncio
import datetime
import ipaddress
import json
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "127.0.0.1"
LOGIN, PASSWORD = "demo", "Postausgang-demo-1"  # guards nothing: what it lets in stays in the folder
SIZE_LIMIT = 35 * 1024 * 1024
VALID_DAYS = 3652

_REFUSALS = {
    "reject-": "550 5.1.1 <{address}>: Recipient address rejected: User unknown",
    "grey-": "451 4.7.1 <{address}>: Recipient address rejected: Greylisted, try again later",
}
_WRONG_LOGIN = AuthResult(success=False, handled=False, message="535 5.7.8 Error: authentication failed")


@asynccontextmanager
async def listening(directory: Path, port: int) -> AsyncIterator[int]:
    """Listens on 127.0.0.1 while the block runs and yields the port (0 as `port`: any free one)."""
    prepare(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "tls" / "server.pem", directory / "tls" / "server.key")
    handler = Sink(directory)
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(
            handler,
            hostname="localhost",
            ident="ESMTP Postausgang test mail server",
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=handler.authenticate,
            loop=loop,
        )

    server = await loop.create_server(session, HOST, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def prepare(directory: Path) -> None:
    """Makes the folder what the server needs; what exists stays."""
    for name in ("new", "tmp"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    certificate_authority(directory)
    users = directory / "users"
    if not users.exists():
        users.write_text(f"{LOGIN} {PASSWORD}\n")


class Sink:
    """What aiosmtpd asks: who may log in, which recipients are taken, where a mail goes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.numbers = count(1)

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
        if not isinstance(data, LoginPassword):
            return _WRONG_LOGIN
        offered = (data.login.decode(errors="replace"), data.password.decode(errors="replace"))
        known = (tuple(line.split(maxsplit=1)) for line in (self.directory / "users").read_text().splitlines())
        return AuthResult(success=True, auth_data=data) if offered in known else _WRONG_LOGIN

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        for prefix, reply in _REFUSALS.items():
            if address.lower().startswith(prefix):
                return reply.format(address=address)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        name = self.store(envelope)
        return f"250 2.0.0 Ok: stored as {name}"

    def store(self, envelope: Envelope) -> str:
        """Writes the mail beside its place and moves it there whole."""
        now = datetime.datetime.now(datetime.UTC)
        name = f"{now:%Y%m%dT%H%M%S.%f}-{next(self.numbers)}.eml"
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {json.dumps(envelope.rcpt_tos)}\r\n"
        unfinished = self.directory / "tmp" / name
        with unfinished.open("wb") as file:
            file.write(head.encode(errors="surrogateescape"))
            file.write(envelope.original_content or b"")
        unfinished.replace(self.directory / "new" / name)
        return name


def certificate_authority(directory: Path) -> Path:
    """The PEM file of the authority that signs the test mail server; made, with the server's certificate, when missing."""
    folder = directory / "tls"
    if not (folder / "ca.pem").exists():
        directory.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="tls-", dir=directory))
        _make_certificates(made)
        try:
            made.rename(folder)  # whole or not at all, also when two processes come at once
        except OSError:
            shutil.rmtree(made)
    return folder / "ca.pem"


def _make_certificates(folder: Path) -> None:
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Postausgang test mail server CA")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1"))]
    authority = (
        _certificate(issuer, issuer, authority_key, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    server = (
        _certificate(subject, issuer, server_key, authority_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    for name, builder, key in (("ca", authority, authority_key), ("server", server, server_key)):
        signed = builder.sign(authority_key, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").touch(mode=0o600)
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
