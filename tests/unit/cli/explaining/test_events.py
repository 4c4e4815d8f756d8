"""What `fanfare explain --event` prints: where an event goes, and on what it does not."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.cli import main

SETTINGS = """
[[apps]]
id = "1"
key = "k"
secrets = ["s"]

[[routes]]
name = "low"
topic = "inventory"
type = "stock.*"
when = "data.quantity < data.threshold && data.kind == '5'"
channels = ["tenant.{data.tenant}"]
event = "low"
data = { sku = "data.sku" }

[[routes]]
name = "orders"
type = "order.*"
channels = ["orders.{data.name}", "orders"]
event = "{type}"

[[routes]]
name = "rows"
topic = "users"
type = "users.*"
channels = ["user.{key.id}"]
event = "{type}"
data = { id = "key.id" }
max_age = 60

[[routes]]
name = "off"
topic = "users"
type = "users.*"
channels = ["users"]
event = "{type}"
enabled = false
"""
STOCK = {"type": "stock.low", "quantity": 3, "threshold": 5, "kind": "5"}
INVENTORY = ("--topic", "inventory")
ROW = {"op": "u", "after": {"id": 7}, "source": {"table": "users"}}
USERS = ("--topic", "users", "--key", '{"id": 7}')

Explain = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    """Run the command on an event, and return its exit status and the lines that it printed."""
    file, event = tmp_path / "fanfare.toml", tmp_path / "event.json"
    file.write_text(SETTINGS)

    def run(value: Any, *argv: str) -> tuple[int, list[str]]:
        event.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        status = main(["explain", "--config", str(file), "--event", str(event), *argv])
        return status, capsys.readouterr().out.splitlines()

    return run


def order(**attributes: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "1", "source": "/s", "type": "order.new", **attributes}


class TestSent:
    """Status 0: something is sent."""

    def test_posted(self, explain: Explain) -> None:
        """A CloudEvent is explained as if it were posted to /events."""
        assert explain(order(data={"name": "5"})) == (
            0,
            [
                "event of type order.new, id 1, source /s",
                "  read from topic fanfare.events.1",
                "  orders: sends",
                '      app 1, channel orders.5, event order.new, 12 bytes: {"name":"5"}',
                '      app 1, channel orders, event order.new, 12 bytes: {"name":"5"}',
                "would be sent: 2 broadcasts",
            ],
        )

    def test_record(self, explain: Explain) -> None:
        """With a topic it is a record of Kafka, in any format."""
        status, lines = explain(ROW, *USERS)

        assert status == 0
        assert lines[2:] == [
            "  rows: sends",
            '      app 1, channel user.7, event users.updated, 8 bytes: {"id":7}',
            "  off: is disabled",
            "would be sent: 1 broadcast",
        ]

    def test_standard_input(self, explain: Explain, monkeypatch: pytest.MonkeyPatch) -> None:
        stdin = io.TextIOWrapper(io.BytesIO(json.dumps(order(data={"name": "5"})).encode()))
        monkeypatch.setattr("sys.stdin", stdin)

        status, lines = explain({}, "--event", "-")

        assert (status, lines[-1]) == (0, "would be sent: 2 broadcasts")

    def test_bytes(self, explain: Explain) -> None:
        """Bytes are counted, as the limit does; what a terminal would obey is not printed."""
        _, lines = explain(order(data={"name": "5", "more": "é\x9b"}))

        assert '26 bytes: {"name":"5","more":"é?"}' in lines[3]


class TestNotSent:
    """Status 1: nothing is sent, and each route says why."""

    @pytest.mark.parametrize(
        "value,argv,told",
        [
            (
                STOCK | {"quantity": 7},
                INVENTORY,
                [
                    "  low: when does not hold",
                    "      data.quantity < data.threshold is false: data.quantity is the number 7, data.threshold is the number 5",
                    "would not be sent: `when` does not hold of 'low'",
                ],
            ),
            (
                STOCK | {"kind": 5},
                INVENTORY,
                [
                    "  low: when does not hold",
                    "      data.kind == '5' is false: data.kind is the number 5",
                    "      hint: data.kind is the number 5, '5' is a text: a number never equals a text; write string(data.kind) == '5'",
                    "would not be sent: `when` does not hold of 'low'",
                ],
            ),
            (
                {"type": "stock.low", "quantity": 3, "kind": "5"},
                INVENTORY,
                [
                    "  low: when does not hold",
                    "      data.quantity < data.threshold needs what is absent: data.quantity is the number 3, data.threshold is absent",
                    "would not be sent: route 'low' needs a field for `when` that is absent",
                ],
            ),
            (
                STOCK | {"quantity": "3"},
                INVENTORY,
                [
                    "  low: cannot send it, when = \"data.quantity < data.threshold && data.kind == '5'\": a type does not fit: data.quantity is a text, data.threshold is a whole number, data.kind is a text",
                    '      data.quantity < data.threshold cannot be evaluated (a type does not fit): data.quantity is the text "3", data.threshold is the number 5',
                    '      hint: data.threshold is the number 5, data.quantity is the text "3": a number cannot be compared with a text; write double(data.quantity) in the place of data.quantity',
                    "dead letter, of which no route sends anything: route 'low', when = \"data.quantity < data.threshold && data.kind == '5'\": a type does not fit: data.quantity is a text, data.threshold is a whole number, data.kind is a text",
                ],
            ),
            (
                STOCK,
                INVENTORY,
                [
                    "  low: cannot send it, data.sku = 'data.sku': 'sku' is absent",
                    "      data.sku is absent",
                    "dead letter, of which no route sends anything: route 'low', data.sku = 'data.sku': 'sku' is absent",
                ],
            ),
            (
                order(data={"name": "two words"}),
                (),
                [
                    "  orders: cannot send it, channels[0] = 'orders.{data.name}': invalid channel name: allowed are letters, digits and _ - = @ , . ;",
                    '      it would be "orders.two words"',
                    "dead letter, of which no route sends anything: route 'orders', channels[0] = 'orders.{data.name}': invalid channel name: allowed are letters, digits and _ - = @ , . ;",
                ],
            ),
            (
                order(type="stock.new"),
                (),
                [
                    "  low: fits the type stock.*, and reads the topic inventory",
                    "  orders: the type does not fit order.*",
                    "would not be sent: no route of the topic 'fanfare.events.1' is for its type",
                ],
            ),
            (
                order(type="Ordr.new"),
                (),
                [
                    "  orders: the type does not fit order.*; did you mean order.new?",
                    "would not be sent: no route of the topic 'fanfare.events.1' is for its type",
                ],
            ),
            (
                STOCK,
                ("--topic", "others"),
                [
                    "  low: fits the type stock.*, and reads the topic inventory",
                    "would not be sent: no route reads the topic 'others'",
                ],
            ),
        ],
    )
    def test_why(
        self, explain: Explain, value: Any, argv: tuple[str, ...], told: list[str]
    ) -> None:
        status, lines = explain(value, *argv)

        assert status == 1
        assert lines[2:] == told

    def test_too_old(self, explain: Explain) -> None:
        old = ROW | {"source": {"table": "users", "ts_ms": 1_700_000_000_000}}
        status, lines = explain(old, *USERS)

        assert status == 1
        assert lines[2].startswith("  rows: max_age, the event is ")
        assert lines[-1] == "would not be sent: route 'rows' has a max_age, and the event is older"

    @pytest.mark.parametrize(
        "value,argv,last",
        [
            (
                ROW | {"op": "r"},
                USERS,
                "nothing to tell: a tombstone, or what a database tells beside its changes",
            ),
            (
                b"nonsense",
                USERS,
                "dead letter: undecodable event: the value is not JSON: JSON is malformed: invalid character (byte 4)",
            ),
            (
                STOCK,
                (),
                "POST /events refuses it with 400: undecodable event: not a CloudEvent: Object missing required field `specversion`; what stands in Kafka is explained with --topic",
            ),
        ],
    )
    def test_no_event(self, explain: Explain, value: Any, argv: tuple[str, ...], last: str) -> None:
        status, lines = explain(value, *argv)

        assert (status, lines[-1]) == (1, last)

    def test_batch(self, explain: Explain) -> None:
        """Of several all must be sent."""
        good, bad = order(data={"name": "5"}), order(type="other")

        assert explain([good, good])[0] == 0
        status, lines = explain([good, bad])

        assert status == 1
        assert lines[5:8] == [
            "would be sent: 2 broadcasts",
            "",
            "event of type other, id 1, source /s",
        ]


class TestWords:
    """Status 2: the arguments or the settings are wrong."""

    @pytest.mark.parametrize(
        "argv,words",
        [
            ((), "name --user and --channel, or --event"),
            (("--user", "7"), "name --user and --channel, or --event"),
            (("--event", "/nowhere/x"), "--event '/nowhere/x': cannot be read: No such file"),
            (("--event", "-", "--user", "7"), "--event takes neither --user nor --channel"),
            (("--event", __file__, "--app", "2"), "--app must be one of 1"),
        ],
    )
    def test_words(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], words: str
    ) -> None:
        file = tmp_path / "fanfare.toml"
        file.write_text(SETTINGS)

        assert main(["explain", "--config", str(file), *argv]) == 2
        assert words in capsys.readouterr().err

    def test_apps_elsewhere(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Where apps are in PostgreSQL nothing is asked there: the topic is the default one."""
        file, event = tmp_path / "fanfare.toml", tmp_path / "event.json"
        _, routes = SETTINGS.split("[[routes]]", 1)
        named = f"[[routes]]{routes}".replace("[[routes]]", '[[routes]]\napp = "9"')
        file.write_text(f'[backends]\napps = "postgresql://nowhere:1/db"\n{named}')
        event.write_text(json.dumps(order(data={"name": "5"})))
        argv = ["explain", "--config", str(file), "--event", str(event)]

        assert main([*argv, "--app", "9"]) == 0
        assert "read from topic fanfare.events.9" in capsys.readouterr().out
        assert main(argv) == 2
        assert "--app: name the app to whose /events it is posted" in capsys.readouterr().err


class TestRecords:
    """Whole records, as other tools print them."""

    CONSOLE = (
        b"CreateTime:1500\tPartition:0\tOffset:4\tce_specversion:1.0,ce_id:1,ce_source:/s,"
        b'ce_type:order.new\tann\t{"name":"5"}\n'
    )

    def test_binary(self, explain: Explain) -> None:
        """
        A binary CloudEvent, which is one by its headers, is explained; so is each of several.
        """
        status, lines = explain(
            self.CONSOLE * 2, "--records", "console", "--topic", "fanfare.events.1"
        )

        assert status == 0
        assert lines[:3] == [
            'line 1: fanfare.events.1/0 at 4, key "ann", headers: ce_specversion, ce_id, ce_source, ce_type',
            "event of type order.new, id 1, source /s",
            "  read from topic fanfare.events.1",
        ]
        assert lines.count("would be sent: 2 broadcasts") == 2

    def test_key(self, explain: Explain) -> None:
        """The key of each record is its own."""
        record = {"topic": "users", "key": '{"id": 8}', "payload": json.dumps(ROW)}

        status, lines = explain(record, "--records", "json")

        assert status == 0
        assert "channel user.8" in "".join(lines)

    def test_unreadable(self, explain: Explain) -> None:
        """
        What cannot be read is told with its line, and the others are explained.
        """
        status, lines = explain(
            b"what\n" + self.CONSOLE, "--records", "console", "--topic", "fanfare.events.1"
        )

        assert status == 1
        assert lines[0].startswith("line 1: no record that can be read: 1 of 3 fields;")
        assert lines[-1] == "would be sent: 2 broadcasts"

    def test_old(self, explain: Explain) -> None:
        """The time is the record's: one that is too old is not sent."""
        record = {"topic": "users", "ts": 1, "key": '{"id": 8}', "payload": json.dumps(ROW)}

        status, lines = explain(record, "--records", "json")

        assert status == 1
        assert any(line.startswith("  rows: max_age") for line in lines)

    def test_nothing(self, explain: Explain) -> None:
        assert explain(b"\n", "--records", "json") == (1, ["there is no record"])

    def test_key_beside(self, explain: Explain) -> None:
        assert explain(b"\n", "--records", "json", "--key", "x")[0] == 2


class TestJson:
    """For programs: an object of each event, one a line."""

    def test_record(self, explain: Explain) -> None:
        record = {"topic": "users", "key": '{"id": 8}', "offset": 4, "payload": json.dumps(ROW)}

        status, (line,) = explain(record, "--records", "json", "--json")

        told = json.loads(line)
        assert (status, told["ok"], told["verdict"]) == (0, True, "would be sent: 1 broadcast")
        assert (told["line"], told["topic"], told["partition"], told["offset"]) == (
            1,
            "users",
            0,
            4,
        )
        assert told["event"] == {
            "type": "users.updated",
            "id": told["event"]["id"],
            "source": "users",
        }
        assert told["broadcasts"] == [
            {"app": "1", "channel": "user.8", "event": "users.updated", "data": '{"id":8}'}
        ]
        assert told["told"][-1] == told["verdict"]

    def test_several(self, explain: Explain) -> None:
        good, bad = order(data={"name": "5"}), order(type="other")

        status, lines = explain([good, bad], "--json")

        assert status == 1
        assert [json.loads(line)["ok"] for line in lines] == [True, False]
        assert json.loads(lines[1])["broadcasts"] == []

    def test_unreadable(self, explain: Explain) -> None:
        assert json.loads(explain(b"what", "--records", "json", "--json")[1][0])["ok"] is False
