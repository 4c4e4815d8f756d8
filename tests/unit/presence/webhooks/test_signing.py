"""How webhooks are signed: known answers, and what the libraries of receivers say of it."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from pusher import Pusher  # type: ignore[import-untyped]
from standardwebhooks import Webhook, WebhookVerificationError

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from services.presence.webhooks.signing import (
    signed_headers,
    standard_signature,
    webhook_secret,
)

NEW, OLD = Secret("new"), Secret("old")
APP = App(id="1", key="app-key", secrets=(NEW,))
BODY = b'{"time_ms":1,"events":[]}'


def test_known_answer() -> None:
    """Standard Webhooks 1.0, "Verifying": the example that all libraries are tested with."""
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    content = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'

    assert standard_signature(secret, content) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secret() -> None:
    """It is what docs/webhooks.md says, so that a back end can derive it."""
    key = hmac.digest(b"new", b"fanfare webhooks", hashlib.sha256)

    assert webhook_secret(NEW).reveal() == "whsec_" + base64.b64encode(key).decode()
    assert webhook_secret(NEW) != webhook_secret(OLD)


def test_pusher() -> None:
    headers = signed_headers(APP, "msg_1", body=BODY, now=1.5)

    assert headers["X-Pusher-Key"] == "app-key"
    assert headers["X-Pusher-Signature"] == hmac.new(b"new", BODY, hashlib.sha256).hexdigest()


def test_pusher_known_answer() -> None:
    """What the SDK for PHP is tested with."""
    app = App(id="1", key="thisisaauthkey", secrets=(Secret("thisisasecret"),))

    headers = signed_headers(app, "msg_1", body=b'{"hello":"world"}', now=1)

    assert headers["X-Pusher-Signature"] == (
        "40e0ad3b9aa49529322879e84de1aaaf18bde1efe839ca263d540cc865510d25"
    )


def test_names() -> None:
    """The id and the whole second are as they are signed."""
    headers = signed_headers(APP, "msg_1", body=BODY, now=1.9)

    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg_1", "1")


class TestLibraries:
    """What receivers use."""

    def test_python_sdk(self) -> None:
        body = json.dumps({"time_ms": int(time.time() * 1000), "events": []}).encode()
        headers = signed_headers(APP, "msg_1", body=body, now=time.time())
        sdk = Pusher(app_id="1", key="app-key", secret="new")

        key, signature = headers["X-Pusher-Key"], headers["X-Pusher-Signature"]

        assert sdk.validate_webhook(key, signature, body.decode()) == json.loads(body)
        assert sdk.validate_webhook(key, signature, body.decode() + " ") is None

    @pytest.mark.parametrize("secret", [NEW, OLD])
    def test_rotation(self, secret: Secret) -> None:
        """While a secret takes the place of another, who has either is served."""
        app = App(id="1", key="k", secrets=(NEW, OLD, NEW))

        headers = signed_headers(app, "msg_1", body=BODY, now=time.time())

        assert len(headers["webhook-signature"].split()) == 2
        assert Webhook(webhook_secret(secret).reveal()).verify(BODY, headers)

    @pytest.mark.parametrize(
        "change",
        [{"webhook-id": "msg_2"}, {"webhook-timestamp": "1"}, {"webhook-signature": "v1,AAAA"}],
    )
    def test_forged(self, change: dict[str, str]) -> None:
        headers = signed_headers(APP, "msg_1", body=BODY, now=time.time())

        with pytest.raises(WebhookVerificationError):
            Webhook(webhook_secret(NEW).reveal()).verify(BODY, headers | change)
