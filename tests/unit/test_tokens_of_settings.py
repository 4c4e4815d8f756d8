"""The section ``[tokens]`` in a file and in the environment, and the keys of apps."""

import re
from pathlib import Path

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured
from libs.common.tokens.channel_tokens import hint, verify
from libs.common.tokens.key_ring import KeyRing
from services.cli.token import make_for_channels
from services.settings import Settings, load
from tests.support.tokens.keys import pair

DEVELOPMENT = Path(__file__).parents[2] / "deploy" / "dev.toml"
APP = '[[apps]]\nid = "1"\nkey = "k"\nsecrets = ["a-secret-of-its-own"]\n'
PUBLIC, PRIVATE = pair("EdDSA")
EXAMPLE = load(path=DEVELOPMENT, environ={})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


def key(table: str, kid: str, public: str = PUBLIC, private: str = "") -> str:
    """Write a key as the file has it."""
    lines = [f"[[{table}]]", f'kid = "{kid}"', f'public_key = """\n{public}"""']
    return "\n".join([*lines, f'private_key = """\n{private}"""'] if private else lines) + "\n"


def read(file: Path, *parts: str, **environ: str) -> Settings:
    file.write_text("\n".join(parts))
    return load(path=file, environ={f"FANFARE_{name}": text for name, text in environ.items()})


def problems(file: Path, *parts: str, **environ: str) -> list[str]:
    """Load what cannot work, and return what is said, which never quotes a private key."""
    with pytest.raises(Misconfigured) as raised:
        read(file, *parts, **environ)
    assert PRIVATE.splitlines()[1] not in str(raised.value)
    return str(raised.value).splitlines()


class TestFile:
    """Keys stand in the file, as PEM."""

    def test_read(self, file: Path) -> None:
        settings = read(file, APP, "[tokens]\nttl = 60\ngrace = 5", key("tokens.keys", "a"))

        assert (settings.tokens.ttl, settings.tokens.grace) == (60, 5)
        assert [known.kid for known in settings.tokens.keys] == ["a"]

    def test_does_not_fit(self, file: Path) -> None:
        """The message names the key, by its place and its kid."""
        (message,) = problems(file, APP, key("tokens.keys", "a", pair("EdDSA", 1)[0], PRIVATE))

        assert "tokens.keys[0]" in message
        assert 'token key "a": private_key does not fit public_key' in message

    def test_kid_of_an_app(self, file: Path) -> None:
        """A token names its key by ``kid`` alone, so an app's has another one."""
        own = key("apps.token_keys", "a", pair("EdDSA", 1)[0])

        assert problems(file, APP, own, key("tokens.keys", "a")) == [
            'app 1 and tokens both have a token key with the kid "a"'
        ]

    def test_key_of_an_app(self, file: Path) -> None:
        (app,) = read(file, APP, key("apps.token_keys", "own")).apps

        assert [known.kid for known in app.token_keys] == ["own"]

    def test_app_has_no_private_key(self, file: Path) -> None:
        """What an app's own issuer signs with is nobody else's business."""
        (message,) = problems(file, APP, key("apps.token_keys", "own", PUBLIC, PRIVATE))

        assert "apps[0].token_keys[0].private_key is unknown" in message


class TestEnvironment:
    """Keys are mounted as files."""

    def test_mounted(self, file: Path, tmp_path: Path) -> None:
        """All of them, as JSON."""
        mounted = tmp_path / "keys.json"
        known = {"kid": "a", "public_key": PUBLIC, "private_key": PRIVATE}
        mounted.write_bytes(msgspec.json.encode([known]))

        settings = read(file, APP, TOKENS_KEYS_FILE=str(mounted))

        assert KeyRing(settings.tokens).sign(b"{}")

    def test_concealed(self, file: Path, tmp_path: Path) -> None:
        """What stands there in another shape is not shown."""
        mounted = tmp_path / "keys.json"
        for text in (PRIVATE, msgspec.json.encode([PRIVATE]).decode()):
            mounted.write_text(text)

            assert problems(file, APP, TOKENS_KEYS_FILE=str(mounted))


class TestDevelopmentKey:
    """The key pair of deploy/dev.toml, which everybody knows."""

    def test_signs(self) -> None:
        """A first try needs no key of one's own."""
        (known,) = EXAMPLE.tokens.keys

        assert (known.kid, known.signs) == ("development", True)

    @pytest.mark.parametrize("table", ["tokens.keys", "apps.token_keys"])
    @pytest.mark.parametrize("form", ["as it is", "blank lines", "jwk"])
    def test_elsewhere(self, file: Path, table: str, form: str) -> None:
        """With it, its public half too, and in whichever form, only loopback is listened on."""
        (jwk,) = KeyRing(EXAMPLE.tokens).jwks()
        public = {
            "as it is": EXAMPLE.tokens.keys[0].public_key,
            "blank lines": re.sub(r"(?<=KEY-----)\n", "\n\n", EXAMPLE.tokens.keys[0].public_key),
            "jwk": msgspec.json.encode(dict(jwk)).decode(),
        }[form]

        (message,) = problems(file, APP, key(table, "mine", public), SERVER_LISTEN="0.0.0.0:1")

        assert message.startswith('the token key "mine" is the development secret')

    def test_own(self, file: Path) -> None:
        """With another key it listens where it is told."""
        assert read(file, APP, key("tokens.keys", "a"), SERVER_LISTEN="0.0.0.0:1")


class TestCommand:
    """``fanfare token --channels``."""

    def test_made(self) -> None:
        """A gateway with the same settings believes it."""
        grant = {"user": "7", "channels": ["private-a.*"], "ttl": 60.0}

        text = make_for_channels(EXAMPLE, grant, app_id="1")

        app = App(id="1", key="k", secrets=(Secret("s"),))
        ring = KeyRing(EXAMPLE.tokens)
        said = hint(text)
        assert said
        token = verify(text, ring, app=app, now=said.expires_at - 30)
        assert token.channels == ("private-a.*",)

    @pytest.mark.parametrize(
        "grant,said",
        [
            ({"user": ""}, "$.user"),
            ({"user": "7", "channels": ["private a"]}, "pattern"),
            ({"user": "7", "ttl": 1e9}, "tokens.max_ttl"),
        ],
    )
    def test_cannot_be_had(self, grant: dict[str, object], said: str) -> None:
        with pytest.raises(Misconfigured, match=re.escape(said)):
            make_for_channels(EXAMPLE, grant, app_id="1")

    def test_nobody_signs(self, file: Path) -> None:
        with pytest.raises(Misconfigured, match=r"tokens\.keys"):
            make_for_channels(read(file, APP), {"user": "7"}, app_id="1")
