"""docs/log-events.md is what the source logs, and says of each event what it means and what to do."""

import re
from pathlib import Path

import pytest

from libs.common.config.environment import listing
from services.settings import Settings
from tests.support.documents.log_events import LogCall, LogEvent, calls, events_of, page, words
from tests.support.documents.tree import ROOT

PAGE = ROOT / "docs" / "log-events.md"
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
CALLS = calls()
WORDS = words()
EVENTS = {event.name: event for event in events_of(CALLS, WORDS)}
SETTINGS = {setting.name for setting in listing(Settings)}
SECTIONS = {re.split(r"[.\[]", name)[0] for name in SETTINGS}
THINGS = {name.partition(".")[0] for name in EVENTS}

# Participles that do not end with "ed", and "ready", which has none.
IRREGULAR = {
    "timed_out",
    "uncaught",
    "found",
    "given_up",
    "held",
    "held_back",
    "kept",
    "lost",
    "put",
    "read",
    "ready",
    "sent",
    "stuck",
    "unread",
}

# Lines that need no kind to be paced by: no stranger and no client causes them as often as it likes.
UNPACED = {
    # Of the process itself, its operators and its settings.
    *("process.started", "process.ready", "process.stopped", "drain.started", "drain.timed_out"),
    *("rules.reloaded", "apps.changed", "routes.skipped", "pipeline.started"),
    *("pipeline.not_started", "certificate.replaced", "events.password_exposed"),
    *("debugging.changed", "frame.received", "frame.sent", "lease.lost", "loop.held"),
    *("sightings.pruned", "marks.pruned", "log.held_back", "log.dropped"),
    # Of backends, and of who writes into them.
    *("backend.lost", "backend.found", "canary.lost", "canary.returned", "topic.lost"),
    *("topic.found", "events.commit_dropped", "keys.read", "gap.unrepaired", "spans.dropped"),
    *("sightings.dropped", "removals.unread", "membership.skipped"),
    # Of back ends, as often as the limits of their app allow.
    *("token.issued", "token.revoked", "memberships.changed", "expulsion.sent"),
    *("user.terminated", "user.expelled"),
    # Said once, or once in a while.
    *("tls.unexpected", "tls.missed", "proxy.untrusted", "accept.paused", "subscribes.delayed"),
    # What really happened, for auditors: all of it.
    *("audit.revoked", "audit.terminated", "audit.published", "audit.delivered"),
    *("audit.replayed", "audit.debug_ordered"),
}

_NAME = re.compile(r"[a-z]+(?:_[a-z]+)*\.([a-z]+(?:_[a-z]+)*)")
_DOTTED = re.compile(r"`((?:[a-z_]+|\[\[)[a-z_\[\]]*\.[a-z_.\[\]]+)`")
_FILE = re.compile(r"\.(?:md|toml|sh|json|py|lua|conf|rdb)$")

by_name = pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)


def has_form(name: str) -> bool:
    """Tell whether a name is that of something, and what happened to it."""
    match = _NAME.fullmatch(name)
    return match is not None and (match[1].endswith("ed") or match[1] in IRREGULAR)


def test_paced() -> None:
    """Who causes a line is known: what strangers can, by its kind; all else stands above."""
    ours = {
        call.event
        for call in CALLS
        if call.event and call.level in {"info", "warning"} and not call.is_paced
    }

    assert ours == UNPACED


class TestPage:
    """The page, the words and the source say the same."""

    def test_up_to_date(self) -> None:
        """`make docs` writes it anew."""
        assert PAGE.read_text(encoding="utf-8") == page()

    def test_known(self) -> None:
        """Of each event that is logged docs/log-events.toml says what it means, and of no other."""
        assert {*WORDS} == {*EVENTS}

    def test_literal(self) -> None:
        """Whoever searches the source for an event finds where it is logged."""
        assert not [call.place for call in CALLS if not call.event]

    @by_name
    def test_words(self, event: LogEvent) -> None:
        """Both are whole sentences; fields that the call does not show are named."""
        assert {*event.words} <= {"means", "do", "more"}
        assert event.words["means"].strip().endswith((".", ")"))
        assert event.words["do"].strip().endswith((".", ")"))
        assert ("more" in event.words) == any(call.is_open for call in event.calls)

    @by_name
    def test_settings(self, event: LogEvent) -> None:
        """What is named of settings, and of other events, exists."""
        said = f"{event.words['means']} {event.words['do']}"
        named = {name for name in _DOTTED.findall(said) if not _FILE.search(name)}
        ours = {name for name in named if re.split(r"[.\[]", name)[0] in SECTIONS | THINGS}
        groups = {name.rpartition(".")[0] for name in SETTINGS}

        assert not ours - SETTINGS - groups - {*EVENTS}


class TestNames:
    """One form for all."""

    @by_name
    def test_participle(self, event: LogEvent) -> None:
        """Something, and what happened to it."""
        assert has_form(event.name)

    @by_name
    def test_level(self, event: LogEvent) -> None:
        """An event is as grave wherever it is logged."""
        assert len(event.levels) == 1

    @by_name
    def test_fields(self, event: LogEvent) -> None:
        """Why something is so has one name, and none is taken that every line has."""
        fields = {field for call in event.calls for field in call.fields}

        assert not fields & {"why", "cause", "error", "fault", "message", "msg"}
        assert not fields & {"event", "level", "timestamp", "more"}

    @pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
    def test_in_documents(self, document: Path) -> None:
        """Every event that a document names is there."""
        named = set(_DOTTED.findall(document.read_text(encoding="utf-8")))
        like = {name for name in named if name.partition(".")[0] in THINGS and has_form(name)}

        assert not like - SETTINGS - {*EVENTS}


class TestReading:
    """Calls are read as they are meant."""

    def read(self, directory: Path, *lines: str) -> list[LogCall]:
        """Read a source that has these lines."""
        folder = directory / "services"
        folder.mkdir()
        (folder / "a.py").write_text("\n".join(lines))
        return calls(directory)

    def test_fields(self, tmp_path: Path) -> None:
        (call,) = self.read(tmp_path, 'log.info("a.done", x=1, pace_by=2, **rest)')

        assert call == LogCall(
            "services/a.py:1", "a.done", "info", ("x",), is_open=True, is_paced=True
        )

    def test_traceback(self, tmp_path: Path) -> None:
        found = self.read(
            tmp_path, 'self._log.exception("a.failed")', 'log.warning("a.failed", exc_info=error)'
        )

        assert [(call.level, call.fields) for call in found] == [
            ("error", ("exception",)),
            ("warning", ("exception",)),
        ]

    @pytest.mark.parametrize("words", ["event", '"a.done" if x else "b.done"', '"a %s", x'])
    def test_not_literal(self, tmp_path: Path, words: str) -> None:
        (call,) = self.read(tmp_path, f"log.error({words})")

        assert not call.event

    def test_others(self, tmp_path: Path) -> None:
        """A logarithm is no log."""
        assert self.read(tmp_path, "math.log(2)", "app.info()", "log.bind(x=1)") == []

    def test_several_places(self, tmp_path: Path) -> None:
        """A field that is not on every line stands in parentheses, and so does what comes along."""
        found = self.read(
            tmp_path, 'log.info("a.done", x=1, y=2)', 'log.info("a.done", x=1, **rest)'
        )

        (event,) = events_of(found, {"a.done": {"more": ["z"]}})

        assert event.fields() == ["`x`", "(`y`)", "(`z`)"]


def test_codes() -> None:
    """Each code with which clients are sent away at connect has its remedy."""
    words = EVENTS["connection.refused"].words

    codes = set(re.findall(r"\b4\d{3}\b", words["means"]))
    assert codes - set(re.findall(r"\b4\d{3}\b", words["do"])) == set()
