"""The settings of channel tokens: what cannot work is refused before anything starts."""

import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from libs.common.tokens.keys import Algorithm
from libs.common.tokens.settings import AppTokenKey, TokenKey, TokenSettings
from tests.support.tokens.keys import ALGORITHMS, app_key, pair, token_key


class TestKeys:
    """A key is valid from birth."""

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_fits(self, algorithm: Algorithm) -> None:
        assert token_key(algorithm=algorithm).signs
        assert not token_key(algorithm=algorithm, signs=False).signs

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_other_private_key(self, algorithm: Algorithm) -> None:
        """A private key that belongs to another public key would sign what nobody believes."""
        public, private = pair(algorithm)[0], pair(algorithm, 1)[1]

        with pytest.raises(ValueError, match='"a": private_key does not fit public_key') as raised:
            TokenKey(kid="a", algorithm=algorithm, public_key=public, private_key=Secret(private))

        assert private.splitlines()[1] not in str(raised.value)

    def test_private_key_of_another_sort(self) -> None:
        """Neither the message nor what it came from quotes the key."""
        public, private = pair("EdDSA")[0], pair("ES256")[1]

        with pytest.raises(ValueError, match='"a": private_key: not a private key') as raised:
            TokenKey(kid="a", public_key=public, private_key=Secret(private))

        assert raised.value.__suppress_context__
        assert private.splitlines()[1] not in str(raised.value)

    def test_public_key_of_another_sort(self) -> None:
        for kind in (TokenKey, AppTokenKey):
            with pytest.raises(ValueError, match='"a": public_key: expected a public key'):
                kind(kid="a", public_key=pair("ES256")[0])

    def test_unseen(self) -> None:
        """A private key is not shown by accident."""
        assert pair("EdDSA")[1].splitlines()[1] not in repr(token_key())


class TestSection:
    """What must hold between the fields."""

    def test_same_kid(self) -> None:
        """A token names its key by ``kid`` alone."""
        with pytest.raises(ValueError, match='two token keys have the kid "a"'):
            TokenSettings(keys=(token_key("a"), token_key("b"), token_key("a", number=1)))

    def test_lifetimes(self) -> None:
        with pytest.raises(ValueError, match=r"ttl \(61\) is longer than max_ttl \(60\)"):
            TokenSettings(ttl=61, max_ttl=60)

    def test_same_kid_in_an_app(self) -> None:
        with pytest.raises(ValueError, match='two token keys have the kid "own"'):
            App(id="1", key="k", secrets=(Secret("s"),), token_keys=(app_key(), app_key()))
