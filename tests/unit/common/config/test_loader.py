"""The loader of settings: what a file says, and everything that can be wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.config.address import Address, Url
from libs.common.config.loader import load
from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured
from tests.unit.common.config.specimen import HUSH, Item, Model, complaint, problems, read


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

    @pytest.mark.parametrize(
        "toml,value",
        [
            ('"[::1]:80"', (Address("::1", 80),)),
            ('["*:80"]', (Address("*", 80),)),
            ('["a:1", "b:2"]', (Address("a", 1), Address("b", 2))),
        ],
    )
    def test_one_or_several(self, tmp_path: Path, toml: str, value: tuple[Address, ...]) -> None:
        """Where a list says so, its only member may stand in its place."""
        assert read(tmp_path, f"[one]\nlistens = {toml}").one.listens == value

    @pytest.mark.parametrize(
        "toml,place",
        [
            ('"6001"', "one.listens: expected host:port"),
            ("6001", "one.listens: expected host:port"),
            ('["a:1", "6001"]', "one.listens[1]: expected host:port"),
            ("[]", "one.listens: expected a list that is not empty"),
        ],
    )
    def test_neither(self, tmp_path: Path, toml: str, place: str) -> None:
        """What is neither is named where it stands."""
        (message,) = problems(tmp_path, f"[one]\nlistens = {toml}")

        assert message.startswith(place)

    @pytest.mark.parametrize(
        "text,place",
        [
            ("6001", "FANFARE_ONE_LISTENS: expected host:port"),
            ("[::1]", "FANFARE_ONE_LISTENS: expected host:port"),
            ("*:1,6001", "FANFARE_ONE_LISTENS[1]: expected host:port"),
            ("", "FANFARE_ONE_LISTENS: expected a list that is not empty"),
        ],
    )
    def test_neither_in_the_environment(self, tmp_path: Path, text: str, place: str) -> None:
        """So it is in a variable."""
        (message,) = problems(tmp_path, ONE_LISTENS=text)

        assert message.startswith(place)

    def test_lists_of_tables(self, tmp_path: Path) -> None:
        """Tables in lists, and lists of secrets in those."""
        toml = '[[items]]\nname = "a"\nsecrets = ["s", "t"]\nwords = { b = "c" }'

        assert read(tmp_path, toml).items == (
            Item(name="a", secrets=(Secret("s"), Secret("t")), words={"b": "c"}),
        )

    def test_tables_in_lists_of_tables(self, tmp_path: Path) -> None:
        """A table inside a member of a list belongs to the member above it; left out it has its defaults."""
        toml = '[[items]]\nname = "a"\n[items.inner]\nmost = 1\n[[items]]\nname = "b"'

        assert [item.inner.most for item in read(tmp_path, toml).items] == [1, 9]
        in_json = '[{"name": "a", "inner": {"most": -1}}, {"name": "b", "inner": {}}]'
        assert [item.inner.most for item in read(tmp_path, ITEMS=in_json).items] == [-1, 9]

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
        [items.inner]
        mots = 1
        """

        assert problems(tmp_path, toml, ONE_CUONT="1", QQQQQ_VVVV="1") == [
            "FANFARE_ONE_CUONT is unknown; did you mean FANFARE_ONE_COUNT?",
            "FANFARE_QQQQQ_VVVV is unknown",
            "on is unknown; did you mean one?",
            "one.cuont is unknown; did you mean count?",
            "one.zzzzzz is unknown",
            "items[0].nmae is unknown; did you mean name?",
            "items[0].inner.mots is unknown; did you mean most?",
        ]

    def test_unlike(self, tmp_path: Path) -> None:
        """Only the section being right is no reason to suggest another of its keys."""
        assert problems(tmp_path, ONE_ZEBRA="1") == ["FANFARE_ONE_ZEBRA is unknown"]

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
                'one.listen: expected host:port (an IPv6 address in brackets: [::1]:6001; all addresses: *:6001), found "::1:80"',
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
