"""Which app a request to auth is for."""

import pytest

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import AppDisabled, UnknownApp
from libs.common.config.secret import Secret
from services.auth.identity.app_lookup import AppUnnamed, WrongApp, app_for

ONE = App(id="1", key="one", secrets=(Secret("s"),))
TWO = App(id="2", key="two", secrets=(Secret("s"),))
OFF = App(id="3", key="off", secrets=(Secret("s"),), enabled=False)
BOTH = MemoryApps([ONE, TWO])


class TestApp:
    """The one that is named, else the one that the token is bound to, else the only one."""

    @pytest.mark.parametrize("bound", ["", "2"])
    def test_named(self, bound: str) -> None:
        assert app_for(BOTH, "two", bound=bound) is TWO

    def test_bound(self) -> None:
        assert app_for(BOTH, None, bound="2") is TWO

    def test_only(self) -> None:
        assert app_for(MemoryApps([ONE]), "", bound="") is ONE

    def test_wrong(self) -> None:
        with pytest.raises(WrongApp):
            app_for(BOTH, "one", bound="2")

    def test_unnamed(self) -> None:
        with pytest.raises(AppUnnamed):
            app_for(BOTH, None, bound="")

    def test_unknown(self) -> None:
        with pytest.raises(UnknownApp):
            app_for(BOTH, "three", bound="")

    @pytest.mark.parametrize("key", [None, "off"])
    def test_off(self, key: str | None) -> None:
        with pytest.raises(AppDisabled):
            app_for(MemoryApps([OFF]), key, bound="")
