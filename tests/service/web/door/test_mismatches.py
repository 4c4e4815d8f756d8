"""TLS where none is spoken, and plain HTTP where TLS is: told once, with what mends it."""

import ssl

import pytest

from tests.service.web.door.test_requests import UP
from tests.support.fakes.logs import Logs, events
from tests.support.servers import Certificates
from tests.support.services.front_door import Peer, front_door


@pytest.mark.parametrize("place", [1, 2, 5, None])
async def test_tls_on_a_plain_port(
    certificates: Certificates, lines: Logs, place: int | None
) -> None:
    """Who begins TLS is answered in HTTP at its first byte, and the first of them is a warning."""
    async with front_door() as here:
        hello = client_hello(certificates.client_context())
        for _ in range(3):
            peer = await here.peer()

            await peer.say(hello[:place])

            assert (await peer.rest()).startswith(b"HTTP/1.1 400 ")

    (line,) = events(lines, "tls.unexpected")
    assert (line["log_level"], line["peer"], line["port"]) == ("warning", "127.0.0.1", here.port)
    assert (line["setting"], line["client"]) == ("server.certificate", "forceTLS: false")


async def test_client_with_tls(certificates: Certificates) -> None:
    """Its library calls it a failed handshake."""
    async with front_door() as here:
        here.context = certificates.client_context()

        with pytest.raises(ssl.SSLError, match=r"WRONG_VERSION_NUMBER|RECORD_LAYER"):
            await here.peer()


@pytest.mark.parametrize("request_text", [UP, b"POST /x HTTP/1.1\r\n", b"CONNECT a:1 HTTP/1.1\r\n"])
async def test_plain_http_on_a_tls_port(
    certificates: Certificates, lines: Logs, request_text: bytes
) -> None:
    """Who sends plain HTTP is cut off, and the first of them is a warning."""
    async with front_door(certificates=certificates) as here:
        secure, here.context = here.context, None
        for _ in range(3):
            peer = await here.peer()

            await peer.say(request_text)

            assert not (await peer.rest()).startswith(b"HTTP")
        here.context = secure
        peer = await here.peer()
        await peer.say(UP)
        assert (await peer.answer())[0] == 200

    (line,) = events(lines, "tls.missed")
    assert (line["log_level"], line["setting"]) == ("warning", "server.certificate")
    assert line["client"] == "forceTLS: true"


@pytest.mark.parametrize("said", [b"", b"\x00", b"\x16\x03\x01\x00\x05hello", b"SSH-2.0-x\r\n"])
async def test_other_noise_on_a_tls_port(
    certificates: Certificates, lines: Logs, said: bytes
) -> None:
    """What is neither is cut off, and nobody's business."""
    async with front_door(certificates=certificates) as here:
        here.context = None
        peer = await here.peer()
        await peer.say(said)
        peer.writer.write_eof()
        await rest_of(peer)

    assert [line for line in lines if line["log_level"] != "debug"] == []


async def rest_of(peer: Peer) -> bytes:
    """Read until the end, be it a reset."""
    try:
        return await peer.rest()
    except ConnectionResetError:
        return b""


def client_hello(context: ssl.SSLContext) -> bytes:
    """Compose what a client of TLS sends first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()
