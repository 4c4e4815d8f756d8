"""The loader of settings: file, environment, and everything that can be wrong with them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from libs.common.address import Address, Network, Url
from libs.common.errors import Misconfigured
from libs.common.loader import load
from libs.common.secret import Secret

HUSH = "hush-hush"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a list of tables."""

    name: str
    size: int = 0
    secrets: tuple[Secret, ...] = ()
    words: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"item {self.name} is too small")


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A section with a value of every sort."""

    flag: bool = False
    count: Annotated[int, Meta(ge=1, le=10)] = 1
    at_least: Annotated[int, Meta(ge=-1)] = 0
    ratio: Annotated[float, Meta(gt=0)] = 1.0
    text: str = ""
    mode: Literal["fast", "safe"] = "safe"
    code: Annotated[str, Meta(pattern="^[a-z]+$")] = "abc"
    password: Secret = Secret("")
    listen: Address = Address("127.0.0.1", 1)
    url: Url = Url("")
    networks: tuple[Network, ...] = ()
    names: Annotated[tuple[str, ...], Meta(min_length=1)] = ("a",)
    words: dict[str, int] = {}
    password_file: str = ""
    people: tuple[Item, ...] = ()


class Long(msgspec.Struct, frozen=True, kw_only=True):
    """A section whose name and key have underscores."""

    max_size: int = 0


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A file."""

    one: Section = Section()
    two_words: Long = Long()
    items: tuple[Item, ...] = ()


def read(tmp_path: Path, toml: str = "", **environ: str) -> Model:
    """Load a file, and variables without their prefix."""
    path = tmp_path / "fanfare.toml"
    path.write_text(toml, encoding="utf-8")
    return load(Model, path=path, environ=prefixed(environ))


def prefixed(environ: Mapping[str, str]) -> dict[str, str]:
    return {f"FANFARE_{name}": value for name, value in environ.items()}


def problems(tmp_path: Path, toml: str = "", **environ: str) -> list[str]:
    """Load what cannot work; return what is said, without the file's name."""
    with pytest.raises(Misconfigured) as raised:
        read(tmp_path, toml, **environ)
    text = str(raised.value)
    assert HUSH not in text
    return text.replace(f"{tmp_path / 'fanfare.toml'}: ", "").splitlines()


def complaint(environ: Mapping[str, str]) -> str | None:
    """Load variables without their prefix; return what is said against them."""
    try:
        load(Model, path=None, environ=prefixed(environ))
    except Misconfigured as error:
        return str(error)
    return None


class TestFile:
    """One TOML file; what it leaves out has its default."""

    def test_nothing(self) -> None:
        """Without a file and variables everything has its default."""
        assert load(Model, path=None, environ={"PATH": "/bin"}) == Model()

    def test_every_sort(self, tmp_path: Path) -> None:
        """Values of every sort become what the struct says."""
        section = read(
            tmp_path,
            """
            [one]
            flag = true
            count = 3
            ratio = 2
            mode = "fast"
            password = "p"
            listen = "[::1]:80"
            url = "redis://h"
            networks = ["10.0.0.0/8", "::1/128"]
            names = ["x", "y"]
            words = { a = 1 }
            """,
        ).one

        assert (section.flag, section.count, section.ratio, section.mode) == (True, 3, 2.0, "fast")
        assert (section.password, section.url) == (Secret("p"), Url("redis://h"))
        assert section.listen == Address("::1", 80)
        assert [str(network) for network in section.networks] == ["10.0.0.0/8", "::1/128"]
        assert (section.names, section.words) == (("x", "y"), {"a": 1})

    def test_lists_of_tables(self, tmp_path: Path) -> None:
        """Tables in lists, and lists of secrets in those."""
        toml = '[[items]]\nname = "a"\nsecrets = ["s", "t"]\nwords = { b = "c" }'

        assert read(tmp_path, toml).items == (
            Item(name="a", secrets=(Secret("s"), Secret("t")), words={"b": "c"}),
        )

    def test_named_by_the_environment(self, tmp_path: Path) -> None:
        """FANFARE_CONFIG names the file; one that is given wins over it."""
        named, given_one = tmp_path / "named.toml", tmp_path / "given.toml"
        named.write_text("[one]\ncount = 2")
        given_one.write_text("[one]\ncount = 3")
        environ = {"FANFARE_CONFIG": str(named)}

        assert load(Model, path=None, environ=environ).one.count == 2
        assert load(Model, path=given_one, environ=environ).one.count == 3
        assert load(Model, path=None, environ={"FANFARE_CONFIG": ""}) == Model()

    @pytest.mark.parametrize("name", ["none.toml", "."])
    def test_unreadable(self, tmp_path: Path, name: str) -> None:
        """A file that cannot be read is named, with the reason."""
        with pytest.raises(Misconfigured, match=r"cannot read the configuration .*: [A-Z]"):
            load(Model, path=tmp_path / name, environ={})

    def test_not_utf8(self, tmp_path: Path) -> None:
        """A file that is not UTF-8 is named."""
        (tmp_path / "x.toml").write_bytes(b'a = "\xff"')

        with pytest.raises(Misconfigured, match=r"x\.toml: not text in UTF-8"):
            load(Model, path=tmp_path / "x.toml", environ={})

    def test_not_toml(self, tmp_path: Path) -> None:
        """A file that is no TOML is named, with the line."""
        (message,) = problems(tmp_path, "[one]\ncount = x\n")

        assert message.startswith("not TOML: ")
        assert "line 2" in message

    def test_where(self, tmp_path: Path) -> None:
        """A wrong value is said with the file that has it."""
        with pytest.raises(Misconfigured) as raised:
            read(tmp_path, "[one]\ncount = 0")

        assert str(raised.value).startswith(f"{tmp_path / 'fanfare.toml'}: one.count: ")


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


class TestUnknown:
    """Unknown names stop the start, all of them at once."""

    def test_all_at_once(self, tmp_path: Path) -> None:
        """Sections, keys, keys in lists and variables are named together, with what they may mean."""
        toml = """
        [on]
        x = 1
        [one]
        cuont = 1
        zzzzzz = 1
        [[items]]
        name = "a"
        nmae = "b"
        """

        assert problems(tmp_path, toml, ONE_CUONT="1", QQQQQ_VVVV="1") == [
            "FANFARE_ONE_CUONT is unknown; did you mean FANFARE_ONE_COUNT?",
            "FANFARE_QQQQQ_VVVV is unknown",
            "on is unknown; did you mean one?",
            "one.cuont is unknown; did you mean count?",
            "one.zzzzzz is unknown",
            "items[0].nmae is unknown; did you mean name?",
        ]

    def test_unlike(self, tmp_path: Path) -> None:
        """Only the section being right is no reason to suggest another of its keys."""
        assert problems(tmp_path, ONE_COLOUR="1") == ["FANFARE_ONE_COLOUR is unknown"]

    def test_in_json(self, tmp_path: Path) -> None:
        """A key in the JSON of a variable is named with the variable."""
        assert problems(tmp_path, ITEMS='[{"name": "a", "b": 1}]') == [
            "FANFARE_ITEMS[0].b is unknown"
        ]


class TestWrong:
    """A wrong value says where it stands, what was expected and what was found."""

    @pytest.mark.parametrize(
        "toml,said",
        [
            ("flag = 1", "one.flag: expected true or false, found 1"),
            ("count = true", "one.count: expected a whole number from 1 to 10, found true"),
            ("count = 11", "one.count: expected a whole number from 1 to 10, found 11"),
            ("count = 1.5", "one.count: expected a whole number from 1 to 10, found 1.5"),
            ('count = "1"', 'one.count: expected a whole number from 1 to 10, found "1"'),
            ("at_least = -2", "one.at_least: expected a whole number of at least -1, found -2"),
            ("ratio = 0", "one.ratio: expected a number above 0, found 0"),
            ("ratio = nan", "one.ratio: expected a number above 0, found nan"),
            ("ratio = inf", "one.ratio: expected a number above 0, found inf"),
            ("text = 2020-01-01", "one.text: expected a text, found a date or a time"),
            ("text = ['a']", "one.text: expected a text, found a list of 1"),
            ("text = {}", "one.text: expected a text, found a table"),
            ('mode = "x"', 'one.mode: expected one of fast, safe, found "x"'),
            ('code = "9"', 'one.code: expected a text that matches ^[a-z]+$, found "9"'),
            ("names = []", "one.names: expected a list that is not empty, found a list of 0"),
            ('names = "a"', 'one.names: expected a list that is not empty, found "a"'),
            ("names = ['a', 2]", "one.names[1]: expected a text, found 2"),
            ("words = 1", "one.words: expected a table, found a number"),
            ("words = { a = 'b' }", 'one.words.a: expected a whole number, found "b"'),
            (
                "networks = ['10.0.0.1/8']",
                'one.networks[0]: expected a network such as 10.0.0.0/8, found "10.0.0.1/8"',
            ),
            (
                "listen = '::1:80'",
                'one.listen: expected host:port (an IPv6 address in brackets: [::1]:6001), found "::1:80"',
            ),
            ("url = 5", "one.url: expected a URL, found a number"),
            ("password = 5", "one.password: expected a text, found a number"),
        ],
    )
    def test_in_the_file(self, tmp_path: Path, toml: str, said: str) -> None:
        """Each sort of value in the words of operators."""
        assert problems(tmp_path, f"[one]\n{toml}") == [said]

    @pytest.mark.parametrize(
        "name,text,said",
        [
            ("ONE_FLAG", "yes", 'expected true or false, found "yes"'),
            ("ONE_COUNT", "", 'expected a whole number from 1 to 10, found ""'),
            ("ONE_RATIO", "nan", 'expected a number above 0, found "nan"'),
            ("ONE_WORDS", "a=1", "expected a table as JSON; "),
            ("ONE_WORDS", '["a"]', "expected a table, found a list of 1"),
            ("ITEMS", "a,b", "expected a list as JSON; "),
            ("ITEMS", "[" * 5000, "expected a list as JSON; "),
            ("ONE_NETWORKS", "::/0,x", 'found "x"'),
        ],
    )
    def test_in_the_environment(self, tmp_path: Path, name: str, text: str, said: str) -> None:
        """The variable is named."""
        (message,) = problems(tmp_path, **{name: text})

        assert message.startswith(f"FANFARE_{name}")
        assert said in message

    def test_all_at_once(self, tmp_path: Path) -> None:
        """Several wrong values are said together."""
        toml = "[one]\ncount = 0\nflag = 0\n[[items]]\nsize = 'x'"

        assert problems(tmp_path, toml, TWO_WORDS_MAX_SIZE="x") == [
            "one.flag: expected true or false, found 0",
            "one.count: expected a whole number from 1 to 10, found 0",
            'FANFARE_TWO_WORDS_MAX_SIZE: expected a whole number, found "x"',
            "items[0].name: missing; expected a text",
            'items[0].size: expected a whole number, found "x"',
        ]

    def test_between_fields(self, tmp_path: Path) -> None:
        """What a struct itself objects to is said with its place."""
        toml = '[[items]]\nname = "a"\n[[items]]\nname = "b"\nsize = -1'

        assert problems(tmp_path, toml) == ["items[1]: item b is too small"]

    def test_section_of_another_sort(self, tmp_path: Path) -> None:
        """A section that is no table, and a list of tables that is one."""
        assert problems(tmp_path, "one = 1\nitems = {}") == [
            "one: expected a table, found a number",
            "items: expected a list, found a table",
        ]

    def test_secrets(self, tmp_path: Path) -> None:
        """A secret of the wrong sort, or in a list, is never shown."""
        toml = f'[one]\npassword = ["{HUSH}"]\n[[items]]\nname = "a"\nsecrets = "{HUSH}"'

        first, second = problems(tmp_path, toml)

        assert first == "one.password: expected a text, found a list of 1"
        assert second.startswith("items[0].secrets: expected a list, found a text")

    def test_long_values(self, tmp_path: Path) -> None:
        """Of a long value only the beginning is shown."""
        (message,) = problems(tmp_path, f"[one]\nmode = '{'x' * 5000}'")

        assert message.endswith("xxx…")
        assert len(message) < 150

    @given(
        st.dictionaries(
            st.sampled_from(["one", "items", "two_words", "x"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda values: st.lists(values) | st.dictionaries(st.text(), values),
            ),
        )
    )
    def test_anything(self, document: dict[str, Any]) -> None:
        """Whatever stands in a variable, it is read or refused with a sentence."""
        for name in ("ITEMS", "ONE_WORDS", "ONE_NAMES", "ONE_COUNT"):
            said = complaint({name: json.dumps(document)})

            assert said is None or said.startswith(f"FANFARE_{name}")
