"""Signed requests of the HTTP API: what is refused, and why."""

import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import (
    BadBodyDigest,
    BadSignature,
    NotSigned,
    StaleTimestamp,
    check_digest,
    check_head,
)
from libs.common.config.secret import Secret
from tests.unit.common.apps.test_signatures import (
    AT,
    BODY,
    EMPTY_MD5,
    KEY,
    PARAMS,
    PATH,
    ROTATED,
    check,
    encoded,
    signed,
)


class TestCheckHead:
    """docs/protocol.md, "Signatures": the HTTP API."""

    def test_another_secret(self) -> None:
        """
        While a secret is rotated, requests signed with the old one are good.
        """
        query = signed(PARAMS)

        assert check_head(ROTATED, "POST", [PATH], raw_query=query, has_body=True, now=AT)

    def test_encoded(self) -> None:
        """
        Signed are the decoded values.
        """
        params = [*PARAMS[:3], ("filter_by_prefix", "presence-a b&c"), ("info", "user_count")]

        check(signed(params, method="GET"), method="GET", body=b"")

    def test_behind_a_prefix(self) -> None:
        """
        The client may have signed the path with a proxy's prefix or without.
        """
        for path in ("/prefix" + PATH, PATH):
            check(signed(PARAMS, path=path), paths=["/prefix" + PATH, PATH])

    def test_digest_of_an_empty_body(self) -> None:
        """
        The Python SDK sends and signs the digest of an empty body; others leave it out.
        """
        check(signed([*PARAMS[:3], ("body_md5", EMPTY_MD5)], method="GET"), method="GET", body=b"")
        check(signed(PARAMS[:3], method="GET"), method="GET", body=b"")

    @pytest.mark.parametrize("off", [-600, 600])
    def test_clock(self, off: float) -> None:
        """
        Clocks may differ by ten minutes.
        """
        check(signed(PARAMS), now=AT + off)

    @pytest.mark.parametrize("off", [-601, 601, 1e9])
    def test_stale(self, off: float) -> None:
        """
        Beyond that a request may be a replay.
        """
        with pytest.raises(StaleTimestamp) as caught:
            check(signed(PARAMS), now=AT + off)
        assert caught.value.seconds == off

    @pytest.mark.parametrize(
        "name,value",
        [
            ("auth_key", "other"),
            ("auth_key", ""),
            ("auth_key", "é"),
            ("auth_version", "2.0"),
            ("auth_timestamp", ""),
            ("auth_timestamp", "now"),
            ("auth_timestamp", "1353088179.5"),
            ("auth_timestamp", "-1"),
            ("auth_timestamp", "\u0661"),
            ("auth_timestamp", "9" * 16),
        ],
    )
    def test_bad_parameter(self, name: str, value: str) -> None:
        """
        A parameter that is wrong is refused, well signed or not.
        """
        with pytest.raises(BadSignature):
            check(signed([(known, value if known == name else kept) for known, kept in PARAMS]))

    @pytest.mark.parametrize("missing", ["auth_key", "auth_timestamp", "auth_version"])
    def test_missing_parameter(self, missing: str) -> None:
        """
        So is one that is missing, and it is named.
        """
        with pytest.raises(NotSigned, match=f"^the request is not signed: {missing} is missing$"):
            check(signed([(name, value) for name, value in PARAMS if name != missing]))

    @pytest.mark.parametrize("name", ["auth_key", "AUTH_TIMESTAMP", "body_md5"])
    def test_proof_that_stands_twice(self, name: str) -> None:
        """
        So is one that stands there twice, in whatever letters, were both the same.
        """
        twice = [*PARAMS, *((name, value) for known, value in PARAMS if known == name.lower())]

        with pytest.raises(BadSignature, match=f"^{name.lower()} stands there 2 times$"):
            check(signed(twice))

    def test_others_may_stand_twice(self) -> None:
        """
        What proves nothing may: it is all signed.
        """
        check(signed([*PARAMS, ("info", "a"), ("info", "b")]))

    def test_first_fault(self) -> None:
        """
        Of several faults one is told, always the same: what the body is comes last, if it has a digest at all.
        """
        with pytest.raises(StaleTimestamp):
            check(signed(PARAMS, path="/other"), now=AT + 601, body=b"other")
        with pytest.raises(BadBodyDigest):
            check(signed(PARAMS[:3], path="/other"))
        with pytest.raises(BadSignature, match=r"^the signature does not match$"):
            check(signed(PARAMS, path="/other"), body=b"other")

    def test_unsigned(self) -> None:
        """
        So is a request without a signature.
        """
        with pytest.raises(NotSigned, match="not signed: auth_signature is missing"):
            check(encoded(PARAMS))

    def test_nothing_of_it(self) -> None:
        """
        A request that never was meant to be signed is told all that it lacks.
        """
        with pytest.raises(NotSigned) as caught:
            check("info=user_count")
        assert str(caught.value) == (
            "the request is not signed: auth_key, auth_timestamp, auth_version, auth_signature are missing"
        )

    def test_signed_with_another_secret(self) -> None:
        """
        So is one that somebody else signed.
        """
        stranger = App(id="3", key=KEY, secrets=(Secret("stranger"),))

        with pytest.raises(BadSignature):
            check(signed(PARAMS, app=stranger))

    def test_another_method_or_path(self) -> None:
        """
        A signature is good for its method and its path.
        """
        with pytest.raises(BadSignature):
            check(signed(PARAMS), method="GET")
        with pytest.raises(BadSignature):
            check(signed(PARAMS), paths=["/apps/3/batch_events", "/apps/4/events"])

    def test_added_parameter(self) -> None:
        """
        Nothing can be added to what was signed.
        """
        with pytest.raises(BadSignature):
            check(signed(PARAMS) + "&info=user_count")

    def test_another_body(self) -> None:
        """
        Nor can the body be exchanged.
        """
        with pytest.raises(BadBodyDigest):
            check(signed(PARAMS), body=BODY + b" ")

    def test_body_without_digest(self) -> None:
        """
        Nor can the digest be left out for a body, be it announced or not.
        """
        with pytest.raises(BadBodyDigest):
            check(signed(PARAMS[:3]))
        with pytest.raises(BadBodyDigest):
            check_digest(None, BODY)
