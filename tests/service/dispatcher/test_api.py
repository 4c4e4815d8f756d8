"""The dispatcher over real HTTP: what back ends may post, and what each kind of fault is answered with."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from tests.support.clients.back_ends import Answer, BackEnd, back_end, basic, cloudevent
from tests.support.services.dispatcher import (
    APP,
    OFF,
    AwayApps,
    ServedDispatcher,
    served_dispatcher,
)

EVENTS, BATCH = "/apps/1/events", "/apps/1/batch_events"
STRUCTURED = "application/cloudevents+json"
EVENT = {"name": "moved", "data": "{}", "channels": ["a"]}
SECRETS = {secret.reveal() for app in (APP, OFF) for secret in app.secrets}
AUTHORIZED = {"Authorization": basic(APP.key, APP.secrets[0].reveal())}


@pytest.fixture
async def here() -> AsyncIterator[ServedDispatcher]:
    async with served_dispatcher() as here:
        yield here


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    async with back_end(APP) as backend:
        yield backend


async def posted(url: str, body: bytes, **headers: str) -> Answer:
    """Post as it is, without a signature."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, data=body, headers=headers) as response,
    ):
        return Answer(response.status, response.headers, await response.json())


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def refusal(answer: Answer, logs: list[Any], status: int) -> str:
    """Return the sentence of a refusal, which the log has too, once, and without a secret."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.body.keys() == {"error"}
    (line,) = [each for each in logs if each["event"] == "request.refused"]
    assert (line["status"], line["reason"]) == (status, answer.body["error"])
    assert not [secret for secret in SECRETS if secret in str(logs)]
    return str(answer.body["error"])


class TestPusherApi:
    """docs/protocol.md, "HTTP API"."""

    async def test_an_event(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """
        The event is in the history when the answer leaves, and the answer is what SDKs compare with: ``{}``.
        """
        answer = await backend.publish(here.url, "a", {"n": 1})

        assert (answer.status, answer.body) == (200, {})
        assert await here.bus.frames("a") == [
            b'{"event":"step","channel":"a","data":"{\\"n\\": 1}"}'
        ]

    async def test_a_batch(self, here: ServedDispatcher, backend: BackEnd) -> None:
        batch = [{"name": "n", "data": str(number), "channel": "a"} for number in range(10)]

        answer = await backend.post(here.url, BATCH, encoded({"batch": batch}))

        assert (answer.status, answer.body) == (200, {})
        frames = [json.loads(frame) for frame in await here.bus.frames("a")]
        assert [frame["data"] for frame in frames] == [str(number) for number in range(10)]

    @pytest.mark.parametrize(
        "path", ["/apps/1/users/ann@x/terminate_connections", "/users/ann@x/terminate_connections"]
    )
    async def test_terminate(self, here: ServedDispatcher, backend: BackEnd, path: str) -> None:
        """
        The command goes to every gateway, also where the Python SDK leaves the app out of the path.
        """
        answer = await backend.post(here.url, path, b"{}")

        assert (answer.status, answer.body) == (200, {})
        async with here.control.listen() as listener:
            (command,) = await listener.receive(0.0)
        assert (command.verb, command.app, command.subject) == ("terminate", APP.id, "ann@x")

    async def test_terminate_unsigned(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """
        It is for who has the app's secret.
        """
        path = "/users/ann/terminate_connections"
        answer = await backend.post(here.url, path, b"{}", auth_signature="0" * 64)
        nameless = await backend.post(here.url, path, b"{}", auth_key=None)

        assert answer.status == nameless.status == 401
        assert nameless.body["error"].startswith("the request is not signed: auth_key")
        async with here.control.listen() as listener:
            assert await listener.receive(0.0) == []

    async def test_behind_a_prefix(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """
        A proxy may leave its prefix before the path, which the SDK signed with the path or without it.
        """
        body = encoded(EVENT)
        whole = await backend.post(here.url, "/some/prefix" + EVENTS, body)
        stripped = await backend.post(here.url + "/some/prefix", EVENTS, body)
        doubled = await backend.post(here.url + "/", EVENTS, body)

        assert (whole.status, stripped.status, doubled.status) == (200, 200, 200)

    @pytest.mark.parametrize(
        "changes, says",
        [
            ({"auth_key": "app"}, "auth_key is not the app's key"),
            ({"auth_key": None}, "the request is not signed: auth_key is missing"),
            ({"auth_signature": "0" * 64}, "the signature does not match"),
            ({"auth_signature": ""}, "the signature does not match"),
            ({"auth_timestamp": "1000000000"}, " s behind the clock here, more than 600 s"),
            ({"auth_timestamp": str(int(time.time()) + 10_000)}, " s ahead of the clock"),
            ({"auth_timestamp": "now"}, "auth_timestamp must be a number"),
            ({"body_md5": "0" * 32}, "body_md5 does not match"),
            ({"body_md5": None}, "body_md5 does not match"),
            ({"auth_version": "2.0"}, "auth_version must be 1.0"),
        ],
    )
    async def test_not_signed_right(
        self, here: ServedDispatcher, backend: BackEnd, changes: dict[str, str | None], says: str
    ) -> None:
        with capture_logs() as logs:
            answer = await backend.post(here.url, EVENTS, encoded(EVENT), **changes)

        assert says in refusal(answer, logs, 401)
        told = {"address": "127.0.0.1"} | ({} if "missing" in says else {"app": "1"})
        assert told.items() <= logs[-1].items()
        assert await here.bus.frames("a") == []

    @pytest.mark.parametrize(
        "app, status, says",
        [
            (OFF, 403, "app 2 is disabled"),
            (App(id="9", key="nine", secrets=APP.secrets), 401, "there is no app '9' here"),
        ],
    )
    async def test_not_an_app_of_ours(
        self, here: ServedDispatcher, app: App, status: int, says: str
    ) -> None:
        async with back_end(app) as stranger:
            with capture_logs() as logs:
                answer = await stranger.publish(here.url, "a", {})

        assert says in refusal(answer, logs, status)

    @pytest.mark.parametrize(
        "path, document, status, says",
        [
            (EVENTS, b"not JSON", 400, "the body cannot be read"),
            (EVENTS, b"", 400, "the body cannot be read"),
            (EVENTS, EVENT | {"name": "pusher:x"}, 400, "pusher: are reserved"),
            (EVENTS, EVENT | {"name": "x" * 201}, 400, "longer than 200 characters"),
            (EVENTS, EVENT | {"channels": ["x" * 165]}, 400, "longer than 164 characters"),
            (EVENTS, EVENT | {"channels": ["a b"]}, 400, "invalid channel name 'a b'"),
            (
                EVENTS,
                EVENT | {"channels": [f"a{n}" for n in range(101)]},
                400,
                "100 channels at once",
            ),
            (EVENTS, EVENT | {"socket_id": "one.two"}, 400, "invalid socket_id"),
            (
                EVENTS,
                EVENT | {"data": "x" * 10_241},
                413,
                "content of this event exceeds the allowed maximum (10240 bytes, limits.payload_bytes)",
            ),
            (EVENTS, EVENT | {"data": "x" * 1_100_000}, 413, "longer than 1048576 bytes"),
            (
                BATCH,
                {"batch": [EVENT | {"channel": "a"}] * 11},
                400,
                "Batch too large (> 10, limits.batch)",
            ),
            (BATCH, EVENT, 400, "the body cannot be read"),
        ],
    )
    async def test_breaks_a_rule(
        self,
        here: ServedDispatcher,
        backend: BackEnd,
        path: str,
        document: Any,
        status: int,
        *,
        says: str,
    ) -> None:
        """
        The answer has the status of docs/protocol.md and names the rule; nothing is published.
        """
        body = document if isinstance(document, bytes) else encoded(document)
        with capture_logs() as logs:
            answer = await backend.post(here.url, path, body)

        assert says in refusal(answer, logs, status)
        assert await here.bus.frames("a") == []

    async def test_other_methods(self, here: ServedDispatcher) -> None:
        """
        Errors of HTTP itself are JSON as well, for SDKs decode every answer.
        """
        async with aiohttp.ClientSession() as http, http.put(here.url + EVENTS) as response:
            assert response.status == 405
            assert response.headers["Allow"] == "POST"
            assert await response.json() == {"error": "Method Not Allowed"}

    async def test_the_bus_is_away(self, here: ServedDispatcher, backend: BackEnd) -> None:
        here.faults.left["publish"] = 1
        with capture_logs() as logs:
            answer = await backend.publish(here.url, "a", {})
        again = await backend.publish(here.url, "a", {})

        assert refusal(answer, logs, 503) == "the bus backend is unavailable"
        assert answer.headers["Retry-After"] == "1"
        assert again.status == 200

    async def test_the_apps_are_away(self, backend: BackEnd) -> None:
        async with served_dispatcher(AwayApps(())) as here:
            with capture_logs() as logs:
                answer = await backend.publish(here.url, "a", {})

        assert refusal(answer, logs, 503) == "the apps backend is unavailable"
        assert answer.headers["Retry-After"] == "1"


class TestCloudEvents:
    """CloudEvents 1.0, "HTTP protocol binding", at ``/events``."""

    async def test_a_batch(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """
        The answer leaves when the events are stored, in order, in the app's own topic.
        """
        answer = await backend.emit(here.url, 1, 2, 3)

        assert (answer.status, answer.body["accepted"]) == (202, 3)
        records = await here.events.records("posted", 3)
        assert [json.loads(record.value or b"")["data"] for record in records] == [1, 2, 3]

    async def test_one_structured(self, here: ServedDispatcher) -> None:
        body = encoded(cloudevent({"a": 1}, subject="seven"))

        answer = await posted(
            here.url + "/events", body, **AUTHORIZED, **{"Content-Type": STRUCTURED}
        )

        assert (answer.status, answer.body["accepted"]) == (202, 1)
        (record,) = await here.events.records("posted", 1)
        assert (record.key, record.value) == (b"seven", body)

    async def test_one_binary(self, here: ServedDispatcher) -> None:
        attributes = {
            "ce-specversion": "1.0",
            "ce-id": "7",
            "ce-source": "/tests",
            "ce-type": "step.taken",
            "Content-Type": "application/json",
        }

        answer = await posted(here.url + "/events", b"[1]", **AUTHORIZED, **attributes)

        assert (answer.status, answer.body["accepted"]) == (202, 1)
        (record,) = await here.events.records("posted", 1)
        assert record.value == b"[1]"
        assert dict(record.headers)["ce_type"] == b"step.taken"

    @pytest.mark.parametrize(
        "authorization, says, app",
        [
            ("", "needs Authorization: Basic", None),
            ("Basic", "needs Authorization: Basic", None),
            ("Basic not base64", "needs Authorization: Basic", None),
            ("Bearer app-key:app-secret", "needs Authorization: Basic", None),
            (basic("app-key", "wrong"), "the secret is not the app's", "1"),
            (basic("app-key", ""), "the secret is not the app's", "1"),
            (basic("wrong", "app-secret"), "no app here has the key", None),
            (basic("app-secret", "app-key"), "no app here has the key", None),
        ],
    )
    async def test_not_authorized(
        self, here: ServedDispatcher, authorization: str, says: str, app: str | None
    ) -> None:
        """
        The answer says what is wrong, and the log whose it is; neither tells what was sent.
        """
        with capture_logs() as logs:
            headers = {"Authorization": authorization, "Content-Type": STRUCTURED}
            answer = await posted(here.url + "/events", encoded(cloudevent(1)), **headers)

        assert says in refusal(answer, logs, 401)
        assert logs[-1].get("app") == app
        assert "wrong" not in str(logs)
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="fanfare"'

    async def test_no_log(self) -> None:
        """
        Where there is no log of events the answer says so, to back ends alone.
        """
        async with served_dispatcher(has_events=False) as here:
            url = here.url + "/events"
            stranger = await posted(url, b"")
            with capture_logs() as logs:
                answer = await posted(url, encoded(cloudevent(1)), **AUTHORIZED)

        assert stranger.status == 401
        assert "backends.events is none" in refusal(answer, logs, 404)

    async def test_a_disabled_app(self, here: ServedDispatcher) -> None:
        authorization = basic(OFF.key, OFF.secrets[0].reveal())
        with capture_logs() as logs:
            answer = await posted(here.url + "/events", b"", Authorization=authorization)

        assert refusal(answer, logs, 403) == "app 2 is disabled"

    @pytest.mark.parametrize(
        "kind, body, says",
        [
            ("application/json", b"{}", "neither a CloudEvents content type nor"),
            ("application/cloudevents+xml", b"<a/>", "is not supported"),
            (STRUCTURED, b"{", "not a CloudEvent"),
            (STRUCTURED, encoded({"specversion": "1.0"}), "missing required field `id`"),
            (STRUCTURED, encoded(cloudevent(1, specversion="0.3")), "only specversion 1.0"),
            (STRUCTURED, encoded(cloudevent(1, socketid="x")), "socketid is not digits"),
            (STRUCTURED, encoded(cloudevent(1, time="today")), "not a CloudEvent"),
            ("application/cloudevents-batch+json", b"{}", "not a batch of CloudEvents"),
            (
                "application/cloudevents-batch+json",
                encoded([cloudevent(1), {"id": "7"}]),
                "missing required field",
            ),
        ],
    )
    async def test_broken(self, here: ServedDispatcher, kind: str, body: bytes, says: str) -> None:
        """
        What is no event is refused, and of a batch with one such none is taken.
        """
        with capture_logs() as logs:
            answer = await posted(
                here.url + "/events", body, **AUTHORIZED, **{"Content-Type": kind}
            )
        accepted = await posted(
            here.url + "/events",
            encoded(cloudevent("next")),
            **AUTHORIZED,
            **{"Content-Type": STRUCTURED},
        )

        assert says in refusal(answer, logs, 400)
        assert accepted.status == 202
        (record,) = await here.events.records("posted", 1)
        assert json.loads(record.value or b"")["data"] == "next"

    async def test_too_large(self, here: ServedDispatcher, backend: BackEnd) -> None:
        with capture_logs() as logs:
            answer = await backend.emit(here.url, "x" * 20_000)

        assert refusal(answer, logs, 413) == "the record is larger than the event log allows"

    async def test_the_event_log_is_away(self, here: ServedDispatcher, backend: BackEnd) -> None:
        here.faults.left["append"] = 1
        with capture_logs() as logs:
            answer = await backend.emit(here.url, 1)
        again = await backend.emit(here.url, 2)

        assert refusal(answer, logs, 503) == "the events backend is unavailable"
        assert answer.headers["Retry-After"] == "1"
        assert again.status == 202

    async def test_no_events(self, backend: BackEnd) -> None:
        """
        An empty batch is no fault.
        """
        async with served_dispatcher(MemoryApps([APP])) as here:
            answer = await backend.emit(here.url)

        assert (answer.status, answer.body["accepted"]) == (202, 0)
