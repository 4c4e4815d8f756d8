"""What the audit log is told of back ends."""

from tests.support.clients.back_ends import back_end
from tests.support.fakes.logs import audited
from tests.support.services.dispatcher import APP, served_dispatcher

PATH = "/users/ann/terminate_connections"


async def test_terminated() -> None:
    """
    Who ended whose connections.
    """
    async with served_dispatcher() as here, back_end(APP) as backend:
        with audited() as lines:
            await backend.post(here.url, PATH, b"{}")

    assert lines == [{"event": "audit.terminated", "app": APP.id, "user": "ann"}]


async def test_denied() -> None:
    """
    Who does not prove to be a back end, by the kind of what is wrong, which paces the lines.
    """
    async with served_dispatcher() as here, back_end(APP) as backend:
        with audited() as lines:
            await backend.post(here.url, PATH, b"{}", auth_signature="0" * 64)

    (line,) = lines
    assert (line["event"], line["kind"], line["pace_by"]) == (
        "audit.denied",
        "BadSignature",
        "BadSignature",
    )
    assert (line["path"], line["address"], line["app"]) == (PATH, "127.0.0.1", APP.id)


async def test_allowed() -> None:
    """
    What is no act of security is not in it, nor a request that is wrong.
    """
    async with served_dispatcher() as here, back_end(APP) as backend:
        with audited() as lines:
            await backend.publish(here.url, "a", 1)
            await backend.post(here.url, f"/apps/{APP.id}/events", b"{")

    assert lines == []
