"""
A password in a URL that was mistyped is never shown, whatever is mistyped, and however it is shown.

Each typo is tried in every setting that is a URL, in the file and in the environment.
"""

import json
from pathlib import Path

import pytest

from libs.common.config.address import Url
from libs.common.config.masks import masked, place_of, shown_path
from services.cli import main

PASSWORD = "hunter2pw"
# Of scheme, user, password and host with port; what a hand does wrong with them.
TYPOS = {
    "right": "{s}://{u}:{p}@{h}/0",
    "no scheme": "{u}:{p}@{h}/0",
    "no colon after the scheme": "{s}//{u}:{p}@{h}/0",
    "no slashes": "{s}:{u}:{p}@{h}/0",
    "one slash": "{s}:/{u}:{p}@{h}/0",
    "three slashes": "{s}:///{u}:{p}@{h}/0",
    "backslashes": "{s}:\\\\{u}:{p}@{h}/0",
    "slashes alone": "//{u}:{p}@{h}/0",
    "another scheme": "ftp://{u}:{p}@{h}/0",
    "a scheme with a letter too many": "{s}x://{u}:{p}@{h}/0",
    "a scheme in capitals": "{S}://{u}:{p}@{h}/0",
    "two schemes": "{s}://{s}://{u}:{p}@{h}/0",
    "the login before the scheme": "{u}:{p}@{s}://{h}/0",
    "the password before the scheme": ":{p}@{s}://{h}/0",
    "a comma for the @": "{s}://{u}:{p},{h}/0",
    "a slash for the @": "{s}://{u}:{p}/{h}/0",
    "a colon for the @": "{s}://{u}:{p}:{h}/0",
    "a semicolon for the @": "{s}://{u}:{p};{h}/0",
    "an ampersand for the @": "{s}://{u}:{p}&{h}/0",
    "a blank for the @": "{s}://{u}:{p} {h}/0",
    "a question mark for the @": "{s}://{u}:{p}?{h}/0",
    "a hash for the @": "{s}://{u}:{p}#{h}/0",
    "no @": "{s}://{u}:{p}{h}/0",
    "an encoded @": "{s}://{u}:{p}%40{h}/0",
    "an @ of another script": "{s}://{u}:{p}\uff20{h}/0",
    "no user and no @": "{s}://:{p}:{h}/0",
    "no user, and a slash for the @": "{s}://:{p}/{h}/0",
    "the password alone": "{s}://{p}@{h}/0",
    "the colon behind the password": "{s}://{p}:@{h}/0",
    "an @ for the colon": "{s}://{u}@{p}@{h}/0",
    "a slash for the colon": "{s}://{u}/{p}@{h}/0",
    "a slash for the colon, a colon for the @": "{s}://{u}/{p}:{h}/0",
    "an @ for the colon, a colon for the @": "{s}://{u}@{p}:{h}/0",
    "the password twice": "{s}://{u}@{p}:{p}@{h}/0",
    "host before login": "{s}://{h}@{u}:{p}/0",
    "a port of letters": "{s}://{u}:{p}@localhost:port/0",
    "a port too large": "{s}://{u}:{p}@localhost:99999999999/0",
    "no port after the colon": "{s}://{u}:{p}@localhost:/0",
    "no host": "{s}://{u}:{p}@/0",
    "no host and no path": "{s}://{u}:{p}@",
    "no host and no @": "{s}://{u}:{p}",
    "a bracket": "{s}://{u}:{p}@[{h}/0",
    "brackets around a name": "{s}://{u}:{p}@[localhost]:1/0",
    "a bracket in the password": "{s}://{u}:[{p}@{h}/0",
    "a slash in the password": "{s}://{u}:x/{p}@{h}/0",
    "a question mark in the password": "{s}://{u}:x?{p}@{h}/0",
    "an option in the password": "{s}://{u}:x?{p}=y@{h}/0",
    "a file in the password": "{s}://{u}?sslkey={p}@{h}/0",
    "a hash in the password": "{s}://{u}:x#{p}@{h}/0",
    "an @ in the password": "{s}://{u}:x@{p}@{h}/0",
    "a blank in the password": "{s}://{u}:x {p}@{h}/0",
    "a quote in the password": "{s}://{u}:x'{p}@{h}/0",
    "a line in the password": "{s}://{u}:x\n{p}@{h}/0",
    "a control in the password": "{s}://{u}:x\x1b{p}@{h}/0",
    "a wrong escape": "{s}://{u}:%zz{p}@{h}/0",
    "a blank before it": " {s}://{u}:{p}@{h}/0",
    "a blank after it": "{s}://{u}:{p}@{h}/0 ",
    "quotes around it": '"{s}://{u}:{p}@{h}/0"',
    "angles around it": "<{s}://{u}:{p}@{h}/0>",
    "its name before it": "URL={s}://{u}:{p}@{h}/0",
    "two with a comma": "{s}://{u}:{p}@{h},{s}://{u}:{p}@{h}",
    "logins of two hosts": "{s}://{u}:{p}@{h},{u}:{p}@{h}/0",
    "the password as a path": "{s}://{h}/{u}:{p}",
    "the password as an option": "{s}://{h}/0?password={p}",
    "the password as a part": "{s}://{h}/0#{p}",
    "an ampersand for the question mark": "{s}://{h}/0&password={p}",
    "a semicolon for the question mark": "{s}://{h}/0;password={p}",
    "a blank for the question mark": "{s}://{h}/0 password={p}",
    "no question mark": "{s}://{h}/0password={p}",
    "words for options": "host=localhost user={u} password={p}",
    "a blank for the colon after the scheme": "{s} //{u}:{p}@{h}/0",
    "a line for the colon after the scheme": "{s}\n//{u}:{p}@{h}/0",
    "a bracket for a slash": "{s}:/({u}:{p}@{h}/0",
    "no scheme and no host": "/{u}?password={p}",
}
SETTINGS = {
    "backends.bus": "redis",
    "backends.roster": "redis+sentinel",
    "backends.control": "redis+cluster",
    "backends.events": "kafka",
    "backends.apps": "postgresql",
    "backends.sightings": "postgres",
    "telemetry.otlp_endpoint": "http",
    # Not for URLs, but somebody may have mistaken one for another.
    "backends.prefix": "redis",
    "log.level": "redis",
    "server.listen": "redis",
}
# Where some typos are none, and all is well.
ALONE = (("backends.bus", "backends.roster"), ("backends.apps",), ("backends.events",))
HOST = "127.0.0.1:1"
APP = """
[[apps]]
id = "1"
key = "k"
secrets = ["a-secret-that-is-long"]
"""
TABLES = """
[backends]
{url} = 1
[auth]
allowed_origins = [{url}]
[[auth.introspection]]
url = {url}
[[auth.issuers]]
issuer = "i"
audience = "a"
algorithms = ["RS256"]
jwks = {url}
[[apps.webhooks]]
url = {url}
"""


def typed(typo: str, scheme: str) -> str:
    return TYPOS[typo].format(s=scheme, S=scheme.upper(), u="fan", p=PASSWORD, h=HOST)


@pytest.mark.parametrize("typo", TYPOS)
class TestShown:
    """Every way in which a URL is shown."""

    def test_values(self, typo: str) -> None:
        """As a URL, as a text, as a permission and as a file, of any kind."""
        for scheme in ("redis", "redis+sentinel", "kafka", "postgresql", "https"):
            text = typed(typo, scheme)
            url = Url(text)
            ways = (str(url), repr(url), url.scheme, f"{url}", masked(url), masked(text))
            shown = [*map(str, ways), place_of(text), shown_path(text)]

            assert PASSWORD not in " ".join(shown), text

    @pytest.mark.parametrize(
        "names", [tuple(SETTINGS), *ALONE], ids=["all", "redis", "apps", "events"]
    )
    def test_file(
        self, typo: str, names: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """In no error of the file, and in no list of its settings."""
        text = toml_of({name: typed(typo, SETTINGS[names[0]]) for name in names})
        (tmp_path / "fanfare.toml").write_text(text + APP)

        said = shown(capsys, "config", "show", "--config", str(tmp_path / "fanfare.toml"))

        assert said
        assert PASSWORD not in said

    @pytest.mark.parametrize("suffix", ["", "_FILE"])
    def test_variables(
        self, typo: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Nor of variables, not even where it stands in the place of a file's name."""
        (tmp_path / "fanfare.toml").write_text(APP)
        for name, scheme in SETTINGS.items():
            variable = f"FANFARE_{name.replace('.', '_')}{suffix}".upper()
            monkeypatch.setenv(variable, typed(typo, scheme))

        said = shown(capsys, "config", "show", "--config", str(tmp_path / "fanfare.toml"))

        assert said
        assert PASSWORD not in said

    def test_tables(self, typo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Nor of what stands in lists, or where a name should be."""
        text = TABLES.replace("{url}", json.dumps(typed(typo, "https")))
        (tmp_path / "fanfare.toml").write_text(APP + text)

        said = shown(capsys, "config", "show", "--config", str(tmp_path / "fanfare.toml"))

        assert said
        assert PASSWORD not in said

    def test_address_of_a_deployment(self, typo: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Nor by a command that is told where a deployment is."""
        text = typed(typo, "http")

        said = shown(capsys, "publish", "--config", "deploy/dev.toml", "--url", text, "c", "e")

        assert said
        assert PASSWORD not in said


def toml_of(settings: dict[str, str]) -> str:
    """Write settings as TOML; JSON's texts are TOML's."""
    return "".join(f"{name} = {json.dumps(text)}\n" for name, text in settings.items())


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command, and return all that it says."""
    main(words)
    said = capsys.readouterr()
    return said.out + said.err
