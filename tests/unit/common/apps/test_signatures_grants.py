"""Grants: tokens of our own auth, which carry whose they are."""

import base64

import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import (
    BadSignature,
    channel_text,
    check_grant,
    check_token,
    grant_token,
    is_grant,
    sign,
    token,
)
from libs.common.channels import BadSocketId
from libs.common.config.secret import Secret

KEY, SECRET = "278d425bdf160c739803", "7ad3773142a6692b25b8"
APP = App(id="3", key=KEY, secrets=(Secret(SECRET),))
ROTATED = App(id="3", key=KEY, secrets=(Secret("new"), Secret(SECRET)))
HOLDER = '{"user_id":"7","iat":1700000000.5}'
GRANT = grant_token(APP, "1.2", channel="private-x", holder=HOLDER)


class TestGrant:
    """docs/protocol.md, "Signatures": tokens of auth, which say whose they are."""

    def test_documented(self) -> None:
        """
        The documented grant is what auth makes, and accepted.
        """
        holder = '{"user_id":"10","iat":1700000000.5}'
        documented = (
            f"{KEY}:eyJ1c2VyX2lkIjoiMTAiLCJpYXQiOjE3MDAwMDAwMDAuNX0."
            "d02d81ce1509b58f7f31e5d1438d6d6f9a28175a49bc70c0a541932c5112546c"
        )

        assert grant_token(APP, "1234.1234", channel="private-foobar", holder=holder) == documented
        assert check_grant(APP, documented, "1234.1234", channel="private-foobar") == holder

    def test_form(self) -> None:
        """
        It is of the documented form, made in the documented way.
        """
        key, _, rest = GRANT.partition(":")
        holder, _, signature = rest.partition(".")

        assert key == KEY
        assert base64.urlsafe_b64decode(holder + "==").decode() == HOLDER
        assert signature == sign(sign(SECRET, "fanfare grant"), f"1.2:private-x:{holder}")

    @pytest.mark.parametrize("holder", [HOLDER, "", "é", "\U0001f600", "a:b.c\n", "x" * 600])
    def test_made_and_checked(self, holder: str) -> None:
        """
        It carries any text, which comes out as it went in.
        """
        made = grant_token(ROTATED, "1.2", channel="private-x", holder=holder)

        assert is_grant(made)
        assert check_grant(ROTATED, made, "1.2", channel="private-x") == holder

    def test_rotation(self) -> None:
        """
        One of a secret that is being retired is good.
        """
        assert check_grant(ROTATED, GRANT, "1.2", channel="private-x") == HOLDER

    @pytest.mark.parametrize(
        "socket_id, channel", [("1.3", "private-x"), ("1.2", "private-y"), ("1.2", "private")]
    )
    def test_elsewhere(self, socket_id: str, channel: str) -> None:
        """
        It is good for one connection and one channel.
        """
        with pytest.raises(BadSignature):
            check_grant(APP, GRANT, socket_id, channel=channel)

    def test_other_holder(self) -> None:
        """
        Nobody can put another user or instant into it.
        """
        other = base64.urlsafe_b64encode(HOLDER.replace("7", "8").encode()).rstrip(b"=").decode()
        forged = f"{KEY}:{other}.{GRANT.rpartition('.')[2]}"

        with pytest.raises(BadSignature):
            check_grant(APP, forged, "1.2", channel="private-x")

    @pytest.mark.parametrize(
        "received",
        [
            *("", ":", ".", KEY, f"{KEY}:", f"{KEY}:.", f"{KEY}:e30.{'0' * 64}", f"{GRANT} "),
            *(GRANT.replace(".", ".."), GRANT.replace(".", ""), GRANT[len(KEY) :]),
            *(GRANT.replace(KEY, "other"), f"{KEY}:\ud800.é", f"{KEY}:.{sign(SECRET, '')}"),
            GRANT[:-64] + GRANT[-64:].upper(),
        ],
    )
    def test_bad(self, received: str) -> None:
        with pytest.raises(BadSignature):
            check_grant(APP, received, "1.2", channel="private-x")

    @pytest.mark.parametrize("holder", ["!", "a", "_w", "é"])
    def test_unreadable(self, holder: str) -> None:
        """
        What is signed and cannot be read, as another back end may make it, says so.
        """
        signature = sign(sign(SECRET, "fanfare grant"), f"1.2:private-x:{holder}")

        with pytest.raises(BadSignature, match="cannot be read"):
            check_grant(APP, f"{KEY}:{holder}.{signature}", "1.2", channel="private-x")

    def test_no_signature_of_pusher(self) -> None:
        """
        Neither kind can be taken for the other, whatever somebody gets signed.
        """
        holder, _, signature = GRANT.partition(":")[2].partition(".")
        text = channel_text("1.2", "private-x", holder)

        with pytest.raises(BadSignature):
            check_grant(APP, f"{KEY}:{holder}.{sign(SECRET, text)}", "1.2", channel="private-x")
        with pytest.raises(BadSignature):
            check_token(APP, f"{KEY}:{signature}", text)
        with pytest.raises(BadSignature):
            check_token(APP, GRANT, text)
        assert not is_grant(token(APP, text))

    def test_bad_socket_id(self) -> None:
        with pytest.raises(BadSocketId):
            grant_token(APP, "1.2:private-x", channel="private-x", holder=HOLDER)
