"""The contract of `apps.Apps`, on every adapter."""

from collections.abc import AsyncIterator

import pytest

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.port import AppDisabled, UnknownApp
from libs.common.apps.webhooks import WebhookSettings
from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured
from tests.support.ports.apps import MEMORY, Tenants, tenants
from tests.support.tokens.keys import app_key

PLAIN = App(id="2", key="plain", secrets=(Secret("s"),))
OFF = App(id="3", key="off", secrets=(Secret("s"),), enabled=False)
FULL = App(
    id="10",
    key="full",
    secrets=(Secret("new"), Secret("old")),
    name="Läden, “quoted”",
    client_events=True,
    watchlists=True,
    subscription_counts=True,
    encryption_master_key=Secret("nxzvbGF+f8FGhk/jOaZvgMle1tqxzF/VfUZLBLhhaH0="),
    topic="orders",
    tls_only=True,
    auth_timeout=20.5,
    tenant="company",
    leave_grace=0.25,
    allowed_origins=("https://a.example", "https://b.example"),
    limits=Limits(connections=1000, members=-1, client_events=0.5, payload_bytes=0),
    token_keys=(app_key("first", issuer="https://login.example"), app_key("second", "ES256")),
    webhooks=(WebhookSettings(url="https://a.example", headers={"Authorization": Secret("hush")}),),
)


@pytest.fixture(params=[MEMORY, "database_url"], ids=["memory", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    if request.param == MEMORY:
        return MEMORY
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def held(url: str) -> AsyncIterator[Tenants]:
    """Yield tenants, among them one that is switched off."""
    async with tenants(url) as held:
        await held.hold(PLAIN, OFF, FULL)
        yield held


class TestLookUp:
    """Looking up never waits, and tells unknown from switched off."""

    async def test_by_key(self, held: Tenants) -> None:
        """An app is found by its key, with everything that was said of it."""
        assert held.apps.by_key("plain") == PLAIN
        assert held.apps.by_key("full") == FULL

    async def test_by_id(self, held: Tenants) -> None:
        """An app is found by its id, and a key is no id."""
        assert held.apps.by_id("10") == FULL
        with pytest.raises(UnknownApp):
            held.apps.by_id("full")

    async def test_order_of_secrets(self, held: Tenants) -> None:
        """The first secret stays the first: it signs."""
        assert [secret.reveal() for secret in held.apps.by_id("10").secrets] == ["new", "old"]

    async def test_unknown(self, held: Tenants) -> None:
        """There is no app under another key, however like it is."""
        for key in ("", "PLAIN", "plain ", "10"):
            with pytest.raises(UnknownApp):
                held.apps.by_key(key)

    async def test_switched_off(self, held: Tenants) -> None:
        """An app that is switched off is refused as that, and not as unknown."""
        with pytest.raises(AppDisabled):
            held.apps.by_key("off")
        with pytest.raises(AppDisabled):
            held.apps.by_id("3")

    async def test_all(self, held: Tenants) -> None:
        """All apps come in order of id, switched off ones too."""
        assert held.apps.all() == (FULL, PLAIN, OFF)


class TestChanges:
    """Changes are followed while the apps are open."""

    async def test_followed(self, held: Tenants) -> None:
        """What is changed, added and removed while it is open is seen."""
        other = App(id="2", key="plain", secrets=(Secret("t"), Secret("s")))
        added = App(id="4", key="added", secrets=(Secret("s"),))

        await held.hold(other, added)

        assert held.apps.by_key("plain") == other
        assert held.apps.by_id("4") == added
        with pytest.raises(UnknownApp):
            held.apps.by_key("full")

    async def test_switched_on(self, held: Tenants) -> None:
        """An app is switched on and off without a restart."""
        on = App(id="3", key="off", secrets=(Secret("s"),))

        await held.hold(on)
        assert held.apps.by_key("off") == on

        await held.hold(OFF)
        with pytest.raises(AppDisabled):
            held.apps.by_key("off")

    async def test_new_key(self, held: Tenants) -> None:
        """An app that gets another key is not found by the former one."""
        await held.hold(App(id="2", key="renamed", secrets=(Secret("s"),)))

        assert held.apps.by_key("renamed").id == "2"
        with pytest.raises(UnknownApp):
            held.apps.by_key("plain")


class TestOpening:
    """Opening starts to follow; closing ends it and nothing else."""

    async def test_error_of_the_caller(self, url: str) -> None:
        """What the caller raises while it is open comes out as it is."""
        with pytest.raises(Misconfigured, match="mine"):
            async with tenants(url):
                raise Misconfigured("mine")
