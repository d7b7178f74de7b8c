"""Receivers of notifications that answer as a test says, over real HTTP and SMTP."""

import base64
import json
import socketserver
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Got:
    """A request that came."""

    path: str
    headers: dict[str, str]
    text: str
    peer: int
    """Port that it came from: one connection has one."""

    @property
    def json(self) -> Any:
        """Return its body."""
        return json.loads(self.text)


@dataclass(slots=True)
class Receiver:
    """A receiver; `status` is what it answers, `answer` decides anew for each request."""

    url: str = ""
    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    got: list[Got] = field(default_factory=list)
    hold: Event | None = None
    came: Event = field(default_factory=Event)
    answer: Callable[[Got], int] | None = None
    trickle: bool = False
    _lock: Lock = field(default_factory=Lock)

    def take(self, request: Got) -> int:
        """Keep a request and return the status it gets."""
        with self._lock:
            self.got.append(request)
        self.came.set()
        if self.hold is not None:
            self.hold.wait(60)
        return self.answer(request) if self.answer else self.status


@contextmanager
def receiving(certificate: Path | None = None) -> Iterator[Receiver]:
    """Serve a receiver on a free port of this machine, over TLS where there is a certificate."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Hook", (_Hook,), {"receiver": receiver}))
    server.daemon_threads = True
    server.block_on_close = False
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    receiver.port = server.server_port
    receiver.url = f"{scheme}://127.0.0.1:{server.server_port}/hook"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        if receiver.hold is not None:
            receiver.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Hook(BaseHTTPRequestHandler):
    receiver: Receiver
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = self.receiver.take(Got(self.path, headers, body.decode(), self.client_address[1]))
        if self.receiver.trickle:
            self._trickle()
            return
        self.send_response(status)
        for name, value in self.receiver.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def _trickle(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        pause = Event()
        try:
            while not pause.wait(0.05):
                self.wfile.write(b"x")
                self.wfile.flush()
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Tests have enough to read."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # who asked has gone
            self.close_connection = True


@dataclass(slots=True)
class Mailbox:
    """A mail server that takes what it is given; `refuses` are recipients it does not know."""

    port: int = 0
    mails: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    encrypted: bool = False
    refuses: tuple[str, ...] = ()
    came: Event = field(default_factory=Event)


class _MailHandler(socketserver.StreamRequestHandler):
    box: Mailbox
    context: ssl.SSLContext

    def handle(self) -> None:
        self._say("220 mail.test ESMTP")
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            if not self._obey(line):
                return

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # over TLS, another one than the server knows

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def _obey(self, line: str) -> bool:
        verb, _, rest = line.partition(" ")
        known = getattr(self, f"_{verb.lower()}", None)
        if verb.upper() == "QUIT":
            self._say("221 bye")
            return False
        if known is None:
            self._say("250 ok")
        else:
            known(rest)
        return True

    def _ehlo(self, _rest: str) -> None:
        self._say("250-mail.test")
        self._say("250 AUTH PLAIN" if self.box.encrypted else "250 STARTTLS")

    def _starttls(self, _rest: str) -> None:
        self._say("220 go on")
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.box.encrypted = True

    def _auth(self, rest: str) -> None:
        self.box.logins.append(base64.b64decode(rest.rsplit(maxsplit=1)[-1]).decode())
        self._say("235 welcome")

    def _rcpt(self, rest: str) -> None:
        name = rest.partition("<")[2].partition(">")[0]
        if name in self.box.refuses:
            self._say("550 no such user")
            return
        self.box.recipients.append(name)
        self._say("250 ok")

    def _data(self, _rest: str) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline().decode()) not in {".\r\n", ""}:
            lines.append(line)
        self.box.mails.append("".join(lines))
        self._say("250 taken")
        self.box.came.set()


@contextmanager
def taking_mail(certificate: Path) -> Iterator[Mailbox]:
    """Run a mail server that speaks STARTTLS on a free port of this machine."""
    box = Mailbox()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    server = socketserver.ThreadingTCPServer(
        ("127.0.0.1", 0), type("Mail", (_MailHandler,), {"box": box, "context": context})
    )
    server.daemon_threads = True
    box.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate_for(folder: Path, *names: str) -> Path:
    """Write a self-signed certificate and its key for names and addresses; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(pem) + secret)
    return file


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
