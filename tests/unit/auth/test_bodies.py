"""Bodies of requests to auth: forms and JSON."""

import msgspec
import pytest

from services.auth.bodies import FORM, JSON, MAX_FIELDS, BadBody, UnknownMediaType, read


class Named(msgspec.Struct, frozen=True):
    """A body with one field."""

    name: str


def of(body: bytes, media_type: str) -> Named:
    return read(body, media_type, Named, fold=dict)


class TestRead:
    """A body is read as its media type says, or refused as its sender's fault."""

    @pytest.mark.parametrize("media_type", ["", FORM])
    def test_form(self, media_type: str) -> None:
        assert of(b"name=a%20b&more=1", media_type) == Named("a b")

    def test_blank(self) -> None:
        """A field may be empty."""
        assert of(b"name=", FORM) == Named("")

    def test_json(self) -> None:
        assert of(b'{"name": "a", "more": 1}', JSON) == Named("a")

    @pytest.mark.parametrize(
        "body, media_type", [(b"other=a", FORM), (b"{}", JSON), (b'{"name": 1}', JSON)]
    )
    def test_wrong_field(self, body: bytes, media_type: str) -> None:
        """The sender is told which."""
        with pytest.raises(BadBody, match=r"^invalid body: .*name"):
            of(body, media_type)

    @pytest.mark.parametrize(
        "body, media_type",
        [
            (b"name=a" + b"&x=" * MAX_FIELDS, FORM),
            (b"name=\xff", FORM),
            (b"{", JSON),
            (b'{"more": ' + b"[" * 100_000, JSON),
        ],
        ids=["many", "bytes", "cut off", "deep"],
    )
    def test_malformed(self, body: bytes, media_type: str) -> None:
        with pytest.raises(BadBody, match=r"^the body is malformed$"):
            of(body, media_type)

    @pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data"])
    def test_other_kinds(self, media_type: str) -> None:
        with pytest.raises(UnknownMediaType):
            of(b"name=a", media_type)
