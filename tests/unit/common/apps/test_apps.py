"""Apps, and the apps of a configuration file."""

import base64
from typing import Any

import pytest

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import AppDisabled, UnknownApp
from libs.common.config.secret import Secret
from libs.common.errors import Denied, Misconfigured


def app(**values: Any) -> App:
    return App(**({"id": "1", "key": "app-key", "secrets": (Secret("app-secret"),)} | values))


ONE, TWO = app(), app(id="2", key="key-2")


class TestApp:
    """Valid from birth."""

    def test_defaults(self) -> None:
        """
        What clients could do to each other is off unless it is switched on.
        """
        assert ONE.enabled
        assert not any([ONE.client_events, ONE.watchlists, ONE.subscription_counts])
        assert (ONE.tls_only, ONE.auth_timeout, ONE.tenant) == (False, 0.0, "")
        assert ONE.limits == Limits()
        assert ONE.events_topic == "fanfare.events.1"
        assert app(topic="orders").events_topic == "orders"

    @pytest.mark.parametrize(
        "wrong,message",
        [
            ({"id": ""}, "needs an id and a key"),
            ({"key": ""}, "needs an id and a key"),
            ({"secrets": ()}, "app 1 needs at least one secret"),
            ({"secrets": (Secret("s"), Secret(""))}, "app 1 needs at least one secret"),
            ({"leave_grace": -0.1}, "app 1: leave_grace"),
            ({"auth_timeout": -1.0}, "app 1: auth_timeout"),
            (
                {"allowed_origins": ("https://a.org", "plain.org")},
                'app 1: allowed_origins: expected .*; found "plain.org"',
            ),
        ],
    )
    def test_refused(self, wrong: dict[str, Any], message: str) -> None:
        """
        What cannot work is refused, and the message names the app.
        """
        with pytest.raises(ValueError, match=message):
            app(**wrong)

    @pytest.mark.parametrize(
        "text", ["x", "é", "AAAA", base64.b64encode(b"x" * 31).decode(), "A" * 43 + "=\n"]
    )
    def test_bad_master_key(self, text: str) -> None:
        """
        So is a master key that is not 32 bytes as base64, without telling what it is.
        """
        with pytest.raises(ValueError, match="app 1: encryption_master_key is not 32 bytes"):
            app(encryption_master_key=Secret(text))

    def test_master_key(self) -> None:
        """
        32 bytes are good.
        """
        text = base64.b64encode(b"x" * 32).decode()

        assert app(encryption_master_key=Secret(text)).encryption_master_key.reveal() == text

    def test_secrets_stay_secret(self) -> None:
        """
        Neither a secret nor the master key shows when an app is printed.
        """
        key = base64.b64encode(b"x" * 32).decode()

        shown = repr(app(encryption_master_key=Secret(key)))

        assert "app-secret" not in shown
        assert key not in shown


class TestMemoryApps:
    """Lookups."""

    def test_found(self) -> None:
        """
        An app is found by its key and by its id.
        """
        apps = MemoryApps([TWO, ONE])

        assert apps.by_key("key-2") is TWO
        assert apps.by_id("1") is ONE
        assert apps.all() == (ONE, TWO)

    def test_unknown(self) -> None:
        """
        A key or an id that nobody has is answered with 4001, and only its beginning is repeated.
        """
        apps = MemoryApps([ONE])

        for look_up in (apps.by_key, apps.by_id):
            with pytest.raises(UnknownApp) as caught:
                look_up("x" * 1000)
            assert caught.value.code == 4001
            assert len(str(caught.value)) < 100

    def test_keys_are_no_ids(self) -> None:
        """
        An app is not found by its id where its key is asked for.
        """
        with pytest.raises(UnknownApp):
            MemoryApps([ONE]).by_key("1")

    def test_disabled(self) -> None:
        """
        An app that is switched off is answered with 4003, and is still listed.
        """
        off = app(enabled=False)
        apps = MemoryApps([off])

        with pytest.raises(AppDisabled) as caught:
            apps.by_key("app-key")
        assert isinstance(caught.value, Denied)
        assert (caught.value.code, caught.value.status) == (4003, 403)
        assert apps.all() == (off,)

    @pytest.mark.parametrize(
        "twice,what", [(app(key="other"), "the same id"), (app(id="9"), "the same key")]
    )
    def test_twice(self, twice: App, what: str) -> None:
        """
        Two apps with one id or one key are refused.
        """
        with pytest.raises(Misconfigured, match=what):
            MemoryApps([ONE, twice])

    def test_adopted(self) -> None:
        """
        A file that was read again takes the place of all.
        """
        apps = MemoryApps([ONE])

        apps.adopt([TWO])

        assert apps.all() == (TWO,)
        with pytest.raises(UnknownApp):
            apps.by_key("app-key")

    def test_nonsense_is_not_adopted(self) -> None:
        """
        All or nothing: apps that are refused change nothing.
        """
        apps = MemoryApps([ONE])

        with pytest.raises(Misconfigured):
            apps.adopt([TWO, TWO])

        assert apps.all() == (ONE,)

    async def test_opened(self) -> None:
        """
        There is nothing to follow: apps of a file are there at once.
        """
        apps = MemoryApps([ONE])

        async with apps.opened():
            assert apps.by_id("1") is ONE
