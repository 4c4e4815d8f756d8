"""Settings in the environment: their names, their forms, and files that variables name."""

import json
from pathlib import Path

import pytest

from libs.common.config.address import Address
from libs.common.config.environment import listing
from libs.common.config.loader import load
from libs.common.config.secret import Secret
from tests.unit.common.config.specimen import HUSH, Item, Model, prefixed, problems, read


class TestListing:
    """All settings of a file, with their names there and in the environment."""

    def test_names(self) -> None:
        """Sections are opened, and members of lists have no variable."""
        names = {setting.name: setting.variable for setting in listing(Model)}

        assert names["one.count"] == "FANFARE_ONE_COUNT"
        assert names["two_words.max_size"] == "FANFARE_TWO_WORDS_MAX_SIZE"
        assert names["items"] == "FANFARE_ITEMS"
        assert not names["items[].size"]
        assert not names["one.people[].name"]
        assert "one" not in names


class TestEnvironment:
    """Variables win over the file."""

    @pytest.mark.parametrize(
        "name,text,field,value",
        [
            ("ONE_FLAG", "true", "flag", True),
            ("ONE_FLAG", "0", "flag", False),
            ("ONE_COUNT", "7", "count", 7),
            ("ONE_RATIO", "0.5", "ratio", 0.5),
            ("ONE_TEXT", "", "text", ""),
            ("ONE_TEXT", " 12 ", "text", " 12 "),
            ("ONE_MODE", "fast", "mode", "fast"),
            ("ONE_PASSWORD", "p, [", "password", Secret("p, [")),
            ("ONE_LISTEN", "0.0.0.0:80", "listen", Address("0.0.0.0", 80)),
            ("ONE_LISTENS", "*:80", "listens", (Address("*", 80),)),
            ("ONE_LISTENS", " [::1]:80", "listens", (Address("::1", 80),)),
            ("ONE_LISTENS", "[::1]:80, *:1", "listens", (Address("::1", 80), Address("*", 1))),
            ("ONE_LISTENS", '["[::1]:80"]', "listens", (Address("::1", 80),)),
            ("ONE_LISTENS", '[ "a:1", "b:1" ]', "listens", (Address("a", 1), Address("b", 1))),
            ("ONE_NAMES", "x, y", "names", ("x", "y")),
            ("ONE_NAMES", ",/api", "names", ("", "/api")),
            ("ONE_NAMES", '["x, y"]', "names", ("x, y",)),
            ("ONE_NETWORKS", "", "networks", ()),
            ("ONE_WORDS", '{"a": 1}', "words", {"a": 1}),
            ("ONE_PASSWORD_FILE", "/run/x", "password_file", "/run/x"),
        ],
    )
    def test_every_sort(
        self, tmp_path: Path, name: str, text: str, field: str, value: object
    ) -> None:
        """Texts become what the struct says; lists are joined by commas or JSON, tables are JSON."""
        toml = '[one]\nflag = false\ncount = 2\ntext = "file"\nmode = "safe"\nnames = ["f"]'

        assert getattr(read(tmp_path, toml, **{name: text}).one, field) == value

    def test_underscores(self, tmp_path: Path) -> None:
        """Underscores in the names of section and key lead to no doubt."""
        assert read(tmp_path, TWO_WORDS_MAX_SIZE="3").two_words.max_size == 3

    def test_lists_of_tables(self, tmp_path: Path) -> None:
        """A list of tables is JSON, and takes the place of the file's."""
        toml = '[[items]]\nname = "file"'
        text = json.dumps([{"name": "a"}, {"name": "b", "secrets": ["s"]}])

        items = read(tmp_path, toml, ITEMS=text).items

        assert items == (Item(name="a"), Item(name="b", secrets=(Secret("s"),)))

    def test_nested_list_of_tables(self, tmp_path: Path) -> None:
        """So is a list of tables in a section."""
        assert read(tmp_path, ONE_PEOPLE='[{"name": "a"}]').one.people == (Item(name="a"),)

    def test_reserved(self) -> None:
        """FANFARE_TEST_… is nobody's, and variables without the prefix are not ours."""
        environ = {"FANFARE_TEST_REDIS_URL": "x", "GATEWAY": "y", "fanfare_one_count": "z"}

        assert load(Model, path=None, environ=environ) == Model()

    def test_service_links(self) -> None:
        """What Kubernetes tells of services called fanfare… stops no start."""
        links = {
            "SERVICE_HOST": "10.0.0.1",
            "SERVICE_PORT": "80",
            "GATEWAY_SERVICE_PORT_HTTP": "80",
            "GATEWAY_PORT": "tcp://10.0.0.1:80",
            "GATEWAY_PORT_80_TCP": "tcp://10.0.0.1:80",
            "GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
            "GATEWAY_PORT_80_TCP_PROTO": "tcp",
        }

        assert load(Model, path=None, environ=prefixed(links)) == Model()

    def test_port_of_our_own(self, tmp_path: Path) -> None:
        """A variable that only ends like those is unknown as any other."""
        assert problems(tmp_path, ONE_PORT="80")[0].startswith("FANFARE_ONE_PORT is unknown")


class TestMountedFiles:
    """``…_FILE`` names a file with the value."""

    @pytest.mark.parametrize(
        "content,value",
        [("p", "p"), ("p\n", "p"), ("p\r\n", "p"), ("p\n\n", "p\n"), (" p ", " p "), ("", "")],
    )
    def test_read(self, tmp_path: Path, content: str, value: str) -> None:
        """One line break at the end is not part of the value; everything else is."""
        secret = tmp_path / "secret"
        secret.write_bytes(content.encode())

        assert read(tmp_path, ONE_TEXT_FILE=str(secret)).one.text == value

    def test_whole_lists(self, tmp_path: Path) -> None:
        """A list of tables with secrets can be mounted as one."""
        mounted = tmp_path / "items.json"
        mounted.write_text('[{"name": "a", "secrets": ["s"]}]\n')

        items = read(tmp_path, ITEMS_FILE=str(mounted)).items

        assert items == (Item(name="a", secrets=(Secret("s"),)),)

    def test_unreadable(self, tmp_path: Path) -> None:
        """A file that is not there is said once, with variable and path."""
        assert problems(tmp_path, ONE_COUNT_FILE="/none/x") == [
            "FANFARE_ONE_COUNT_FILE: cannot read /none/x: No such file or directory"
        ]

    def test_not_shown(self, tmp_path: Path) -> None:
        """What is wrong in a mounted file is said without its content."""
        mounted = tmp_path / "count"
        mounted.write_text(HUSH)

        assert problems(tmp_path, ONE_COUNT_FILE=str(mounted)) == [
            "FANFARE_ONE_COUNT_FILE: expected a whole number from 1 to 10, found a text"
        ]

    def test_both(self, tmp_path: Path) -> None:
        """A value and a file for the same setting leave a doubt, and are refused."""
        assert problems(tmp_path, ONE_TEXT="a", ONE_TEXT_FILE="/b") == [
            "FANFARE_ONE_TEXT_FILE and FANFARE_ONE_TEXT are both set; one of them may be"
        ]
