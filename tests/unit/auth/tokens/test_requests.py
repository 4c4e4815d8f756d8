"""What back ends post about channel tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import Invalid
from services.auth.bodies import FORM, JSON, BadBody, UnknownMediaType
from services.auth.tokens.requests import (
    Question,
    Revocation,
    Unclear,
    grant_of,
    question_of,
    revocation_of,
)

EMPTY = pytest.mark.parametrize("media_type", ["", FORM])


class TestForms:
    """RFC 7662 and RFC 7009 ask for forms; JSON is as good."""

    @EMPTY
    def test_question(self, media_type: str) -> None:
        assert question_of(b"token=a.b.c&token_type_hint=x", media_type) == Question("a.b.c")
        assert question_of(b'{"token": "a.b.c", "more": 1}', JSON) == Question("a.b.c")

    @EMPTY
    def test_revocation(self, media_type: str) -> None:
        assert revocation_of(b"user=a%20b", media_type) == Revocation(user="a b")
        assert revocation_of(b"jti=j&token=", media_type) == Revocation(jti="j")
        assert revocation_of(b'{"token": "t"}', JSON) == Revocation(token="t")

    @pytest.mark.parametrize(
        "body", [b"", b"token=", b"token=a&jti=b", b"token=a&user=b", b"jti=a&user=b&token=c"]
    )
    def test_unclear(self, body: bytes) -> None:
        """A revocation is about one thing."""
        with pytest.raises(Unclear):
            revocation_of(body, FORM)

    @pytest.mark.parametrize("name", ["token", "jti", "user"])
    def test_half(self, name: str) -> None:
        """No command could say it to gateways."""
        with pytest.raises(BadBody, match="surrogate"):
            revocation_of(rb'{"%s": "\ud800"}' % name.encode(), JSON)

    def test_twice(self) -> None:
        """RFC 6749, 3.2: whose second value one would not see."""
        with pytest.raises(BadBody):
            revocation_of(b"user=a&user=b", FORM)

    def test_many(self) -> None:
        with pytest.raises(BadBody):
            question_of(b"token=a" + b"&x=" * 200, FORM)

    @pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data", "x"])
    def test_other_kinds(self, media_type: str) -> None:
        with pytest.raises(UnknownMediaType):
            question_of(b"token=a", media_type)


class TestAnything:
    """Whatever is posted is read, or refused as the caller's fault."""

    @given(st.binary(max_size=100) | st.text().map(lambda text: f'{{"user":"{text}"}}'.encode()))
    def test_grant(self, body: bytes) -> None:
        try:
            grant = grant_of(body)
        except Invalid:
            return
        assert grant.user

    @given(st.binary(max_size=100), st.sampled_from([FORM, JSON]))
    def test_others(self, body: bytes, media_type: str) -> None:
        for read in (question_of, revocation_of):
            try:
                read(body, media_type)
            except Invalid:
                continue
