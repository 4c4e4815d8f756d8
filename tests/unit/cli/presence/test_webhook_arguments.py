"""Webhooks on a command line."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from libs.common.apps.webhooks import WebhookSettings
from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured
from services.cli.presence.webhook_arguments import webhook_changes

URL = "https://shop.example.org/hooks"


def changes(*put: list[str], removed: tuple[str, ...] = (), **options: Any) -> Any:
    return webhook_changes(put, removed, **({"app_id": "1", "allow": ()} | options))


def test_least() -> None:
    """A name and a URL are enough; what stands in the URL is the URL's."""
    url = f"{URL}?a=b&c=d"

    assert changes([f"orders={url}"]) == {"orders": WebhookSettings(name="orders", url=url)}


def test_all() -> None:
    words = ["events=channel_occupied, cache_miss", "prefix=private-", "batching=on"]

    assert changes([f"orders={URL}", *words, "header=X-One: 1", "header=X-Two:2:3"]) == {
        "orders": WebhookSettings(
            name="orders",
            url=URL,
            events=("channel_occupied", "cache_miss"),
            channel_prefix="private-",
            batching=True,
            headers={"X-One": Secret("1"), "X-Two": Secret("2:3")},
        )
    }


def test_header_of_a_file(tmp_path: Path) -> None:
    """A list of processes shows arguments to everybody on the machine."""
    file = tmp_path / "token"
    file.write_text("Bearer hush\n")

    put = changes([f"orders={URL}", f"header=Authorization:@{file}"])

    assert put["orders"].headers == {"Authorization": Secret("Bearer hush")}


def test_removed() -> None:
    assert changes([f"a={URL}"], removed=("b", "c")) == {
        "a": WebhookSettings(name="a", url=URL),
        "b": None,
        "c": None,
    }


def test_private() -> None:
    """An address that may not be called is refused at once; one that may be is not."""
    with pytest.raises(Misconfigured, match=r'the webhook "a" of app 1 leads to 10\.0\.0\.1'):
        changes(["a=https://10.0.0.1/"])

    assert changes(["a=https://10.0.0.1/"], allow=[ip_network("10.0.0.0/8")])


@pytest.mark.parametrize(
    "words,said",
    [
        ([URL], "expected NAME=URL"),
        ([f"={URL}"], "expected NAME=URL"),
        (["orders"], "expected NAME=URL"),
        ([f"a.b={URL}"], "--webhook a.b: "),
        (["a=http://shop.example.org/"], "--webhook a: .*https://"),
        ([f"a={URL}", "event=x"], '"event": expected one of events, .*did you mean events'),
        ([f"a={URL}", "events"], "expected one of"),
        ([f"a={URL}", "events=occupied"], 'there is no event "occupied"'),
        ([f"a={URL}", "events=client_evnt"], "did you mean client_event"),
        ([f"a={URL}", "batching=yes"], 'batching: expected on or off, found "yes"'),
        ([f"a={URL}", "header=X"], "expected NAME:TEXT, or NAME:@FILE"),
        ([f"a={URL}", "header=Host:b"], "header Host is one of our own"),
        ([f"a={URL}", "header=X:@/does/not/exist"], "/does/not/exist"),
    ],
)
def test_refused(words: list[str], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        changes(words)


def test_twice() -> None:
    with pytest.raises(Misconfigured, match='"a" is named twice'):
        changes([f"a={URL}"], removed=("a",))
