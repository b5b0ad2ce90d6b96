"""TLS to a server, with certificates made here: what is verified, what a failure is called, and what a drop costs.

`SSL_CERT_FILE` names the only authority that the system trusts, the way an operator would add one; nothing in the
program can switch verification off.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from test_sockets import Ear, S, ask, run, transport
from websockets.asyncio.server import ServerConnection, serve

from engine.runtime.clock import counting_ns
from exchanges.errors import LinkDown, OutcomeUnknown
from exchanges.transport import Answered, Request, Response

NOW = datetime.now(UTC)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Use = Callable[[int], Coroutine[Any, Any, object]]


class Authority:
    """Issues certificates for hosts; `folder` gets their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority of a test")])
        made = self._signed(self.name, self.key.public_key(), days=1)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = dict.fromkeys(("digital_signature", "key_cert_sign", "crl_sign"), True)
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
                  "decipher_only")  # fmt: skip
        made = made.add_extension(x509.KeyUsage(**usage, **dict.fromkeys(others, False)), critical=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=3)).not_valid_after(NOW + timedelta(days=days))
        )  # fmt: skip

    def server(self, host: str = "localhost", *, days: int = 1) -> ssl.SSLContext:
        """What a server of `host` needs, with a certificate for so many days from now; below 0 it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        made = self._signed(subject, key.public_key(), days=days)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        file = self.folder / f"{host}{days}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    return made


class Rest:
    """Answers requests; `handshakes` counts connections, `drop` closes the next one instead of answering."""

    def __init__(self) -> None:
        self.handshakes = 0
        self.requests: list[bytes] = []
        self.drop = False
        self.open: list[asyncio.StreamWriter] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.handshakes += 1
        self.open.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST"):
                    await reader.readexactly(1)
                self.requests.append(head.split(b" ", 1)[0])
                if self.drop:
                    self.drop = False
                    break
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def rest_server(context: ssl.SSLContext) -> AsyncIterator[tuple[Rest, int]]:
    rest = Rest()
    async with await asyncio.start_server(rest.handle, "127.0.0.1", 0, ssl=context) as server:
        yield rest, server.sockets[0].getsockname()[1]


@asynccontextmanager
async def stream_server(
    context: ssl.SSLContext, handle: Callable[[ServerConnection], Coroutine[Any, Any, None]]
) -> AsyncIterator[int]:
    async with serve(handle, "127.0.0.1", 0, ssl=context) as server:
        yield next(iter(server.sockets)).getsockname()[1]


def test_requests_share_one_handshake_and_a_connection_that_the_venue_dropped_costs_another(
    authority: Authority,
) -> None:
    async def main() -> None:
        async with rest_server(authority.server()) as (rest, port), transport() as it:
            url = f"https://localhost:{port}/"
            for _ in range(3):
                assert (await ask(it, url)).body == b"ok"
            assert rest.handshakes == 1
            rest.drop = True
            assert (await ask(it, url)).body == b"ok"  # a question is asked once more, on a connection of its own
            assert (rest.handshakes, rest.requests) == (2, [b"GET"] * 5)
            rest.drop = True
            with pytest.raises(OutcomeUnknown, match="POST: the connection was lost"):
                await ask(it, url, body=b"1")  # an order is not
            assert (await ask(it, url, body=b"1")).body == b"ok"
            assert rest.requests[5:] == [b"POST"] * 2  # spare connections open beside an order: no count of handshakes

    run(main())


def test_on_a_warm_connection_an_order_is_encrypted_and_written_before_its_sender_goes_on(authority: Authority) -> None:
    async def main() -> None:
        async with rest_server(authority.server()) as (_, port), transport() as it:
            url = f"https://localhost:{port}/"
            await ask(it, url)
            done: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
            stamps: list[str] = []
            request = Request("POST", url, {}, b"1", counting_ns() + 10 * S)
            it.send(request, written=lambda: stamps.append("written"), done=done.set_result)
            stamps.append("back")
            assert stamps == ["written", "back"]
            answer = await done
            assert isinstance(answer, Response)
            assert answer.body == b"ok"

    run(main())


BAD = [
    pytest.param("elsewhere.example", 1, "Hostname mismatch", id="another host's"),
    pytest.param("localhost", -1, "certificate has expired", id="expired"),
]


@pytest.mark.parametrize(("host", "days", "why"), BAD)
def test_a_certificate_that_proves_nothing_gets_no_request_and_no_stream(
    authority: Authority, host: str, days: int, why: str
) -> None:
    context = authority.server(host, days=days)

    async def main() -> None:
        async with rest_server(context) as (rest, port), transport() as it:
            with pytest.raises(LinkDown, match=f"GET did not leave: SSLCertVerificationError: .*{why}") as refused:
                await ask(it, f"https://localhost:{port}/")
            assert not refused.value.passing  # nobody asks again by himself
            with pytest.raises(LinkDown, match="POST did not leave"):
                await ask(it, f"https://localhost:{port}/", body=b"1")
            assert rest.requests == []
        async with stream_server(context, _echo) as port, transport() as it:
            with pytest.raises(LinkDown, match=f"no stream: SSLCertVerificationError: .*{why}") as refused:
                await it.ws(f"wss://localhost:{port}", Ear(), deadline_ns=counting_ns() + 10 * S)
            assert not refused.value.passing

    run(main())


def test_an_authority_that_the_system_does_not_know_proves_nothing(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(folder).file))

    async def main() -> None:
        async with rest_server(authority.server()) as (rest, port), transport() as it:
            with pytest.raises(LinkDown, match="SSLCertVerificationError"):
                await ask(it, f"https://localhost:{port}/")
            assert rest.requests == []

    run(main())


def test_a_server_that_speaks_no_tls_gets_nothing() -> None:
    got: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read(1000))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(plain, "127.0.0.1", 0) as server, transport() as it:
            with pytest.raises(LinkDown, match="POST did not leave: SSLError"):
                await ask(it, f"https://localhost:{server.sockets[0].getsockname()[1]}/", body=b"1")
            assert not got[0].startswith(b"POST")

    run(main())


async def _echo(socket: ServerConnection) -> None:
    async for message in socket:
        if message == "drop":
            socket.transport.abort()
        else:
            await socket.send(message)


def test_a_stream_over_tls_carries_messages_and_can_be_opened_again_after_a_drop(authority: Authority) -> None:
    async def main() -> None:
        async with stream_server(authority.server(), _echo) as port, transport() as it:
            for _ in range(2):
                ear = Ear()
                stream = await it.ws(f"wss://localhost:{port}", ear, deadline_ns=counting_ns() + 10 * S)
                stream.send("one")
                stream.ping()
                while not ear.frames or not ear.pongs:
                    await ear.next()
                assert ear.frames == [b"one"]
                stream.send("drop")
                while not ear.ends:
                    await ear.next()
                assert ear.ends[0].startswith("the stream ended:")

    run(main())
