"""A file with settings of every sort, for the tests of what reads such files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from libs.common.config.address import Address, Network, Url
from libs.common.config.fields import Addresses
from libs.common.config.loader import load
from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured

HUSH = "hush-hush"


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    """A table inside a member of a list."""

    most: Annotated[int, Meta(ge=-1)] = 9


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a list of tables."""

    name: str
    size: int = 0
    secrets: tuple[Secret, ...] = ()
    words: dict[str, str] = {}
    inner: Inner = Inner()

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
    listens: Addresses = (Address("127.0.0.1", 2),)
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
