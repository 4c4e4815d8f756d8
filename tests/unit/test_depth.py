"""
What strangers, tenants and identity servers send, nested deeply: one bound holds wherever it comes in.

Beyond it CEL would overflow the C stack, and so would Python from 3.12 on, whose own bound for C is
far above that.
"""

from collections.abc import Callable
from typing import Any

import pytest

from libs.common.apps.app import App
from libs.common.channels import Channel
from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured
from libs.common.eventlog.records import Record
from libs.common.json_text import MAX_DEPTH, NestedTooDeeply
from libs.common.tokens import channel_tokens
from libs.common.tokens.key_ring import BadChannelToken, KeyRing
from services.auth.bodies import JSON, BadBody
from services.auth.identity import bearer_tokens, jwk_sets, opaque_tokens
from services.auth.identity.bearer_tokens import BadToken
from services.auth.identity.provider import ProviderReply, ProviderUnavailable
from services.auth.memberships import requests as memberships
from services.auth.memberships import topic_records
from services.auth.settings import Introspection
from services.auth.tokens import requests as tokens
from services.cli import explain
from services.dispatcher.api import requests as posts
from services.dispatcher.api.requests import BadRequest
from services.dispatcher.events import cloudevents
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import TooDeep
from services.gateway.protocol import frames
from services.gateway.protocol.frames import BadMessage
from services.presence import queries
from services.presence.queries import BadUserList
from services.presence.typing import requests as typing
from services.presence.typing.requests import BadWord
from tests.support.tokens import keys

APP = App(id="1", key="k", secrets=(Secret("s" * 20),))
SPEC = Introspection(url="https://id.example.org/x", app="1")
DEEP = b'{"a":' * (MAX_DEPTH + 2) + b"1" + b"}" * (MAX_DEPTH + 2)
EVENT = b'{"specversion":"1.0","id":"1","source":"/","type":"a","data":%s}'


def _within(text: bytes) -> bytes:
    """Put something deep beside what stands in an object."""
    return text[:-1] + b',"more":' + DEEP + b"}"


def _record(value: bytes, key: bytes = b"") -> Record:
    return Record("t", 0, 0, 0.0, key, value, ())


def _segments(text: bytes) -> str:
    head = keys.segment(b'{"alg":"HS256","typ":"JWT"}')
    return b".".join([head, keys.segment(text), keys.segment(b"s")]).decode()


CASES: dict[str, tuple[type[Exception], Callable[[], Any]]] = {
    "a user's token": (
        BadToken,
        lambda: bearer_tokens.taken_apart(_segments(_within(b'{"iss":"a"}'))),
    ),
    "a channel token": (
        BadChannelToken,
        lambda: channel_tokens.verify(
            keys.forged(_within(b'{"iss":"fanfare"}')),
            KeyRing(keys.settings()),
            app=APP,
            now=keys.NOW,
        ),
    ),
    "an identity server's answer": (
        ProviderUnavailable,
        lambda: opaque_tokens.read(
            SPEC, ProviderReply(200, _within(b'{"active":true,"sub":"7"}')), now=0
        ),
    ),
    "a JWK set": (
        ProviderUnavailable,
        lambda: jwk_sets.parse(ProviderReply(200, _within(b'{"keys":[]}')), ("RS256",)),
    ),
    "a membership": (
        BadBody,
        lambda: memberships.memberships_of(_within(b'{"user":"7","group":"g"}'), "1"),
    ),
    "a membership's record": (
        topic_records.Malformed,
        lambda: topic_records.membership_of(
            _record(b"1", _within(b'{"app":"1","user":"7","group":"g"}'))
        ),
    ),
    "a wish for a token": (BadBody, lambda: tokens.grant_of(_within(b'{"user":"7"}'))),
    "a revocation": (BadBody, lambda: tokens.revocation_of(_within(b'{"jti":"7"}'), JSON)),
    "a client event": (BadMessage, lambda: frames.parse(_within(b'{"event":"client-a"}'))),
    "user_data": (BadMessage, lambda: frames.parse_user(_within(b'{"id":"7"}').decode())),
    "channel_data": (BadMessage, lambda: frames.parse_member(_within(b'{"user_id":"7"}').decode())),
    "a publish": (
        BadRequest,
        lambda: posts.read_event(APP, _within(b'{"name":"a","channel":"c","data":"x"}'), now=0),
    ),
    "a record": (TooDeep, lambda: decode(_record(DEEP))),
    "a posted event": (
        TooDeep,
        lambda: cloudevents.records_of(
            "t", content_type=cloudevents.STRUCTURED, headers={}, body=EVENT % DEEP
        ),
    ),
    "a batch of events": (
        TooDeep,
        lambda: cloudevents.records_of(
            "t", content_type=cloudevents.BATCH, headers={}, body=b"[%s]" % (EVENT % DEEP)
        ),
    ),
    "a list of users": (BadUserList, lambda: queries.users_of(_within(b'{"users":["7"]}'))),
    "who types": (
        BadWord,
        lambda: typing.report_of(Channel("1", "private-a"), _within(b'{"user_id":"7"}'), ttl=6),
    ),
    "a question of explain": (Misconfigured, lambda: explain._object("--claims", DEEP.decode())),
}


@pytest.mark.parametrize("name", CASES)
def test_deep(name: str) -> None:
    """It gets the usual answer of its place to what cannot be read."""
    refused, read = CASES[name]

    with pytest.raises(refused) as caught:
        read()
    assert isinstance(caught.value.__cause__, NestedTooDeeply)
