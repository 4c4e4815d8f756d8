"""`make audit` looks at every package that is locked, or fails; the service that it asks is this test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.support.audit import Finding, Report, Weakness, faults
from tests.support.deployments.program import ROOT
from tests.support.locks import Lock
from tests.support.servers.ports import free_port

LOCK = """
one==1.0 --hash=sha256:00
two==2.0 ; sys_platform == "win32" --hash=sha256:00
three==3.0 --hash=sha256:00
"""
NONE_OF = "of 3 packages of requirements.lock were audited; not: "
Answer = Callable[[str], tuple[int, str]]


@contextmanager
def service(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """Run a service that is asked about packages; yield its URL, and those it was asked about."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body["package"]["name"])
            status, text = answer(body["package"]["name"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def audit(directory: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Audit a lock of three packages, with a service at an address."""
    (directory / "requirements.lock").write_text(LOCK)
    environ = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(  # noqa: S603 - ours.
        [
            *(sys.executable, "-m", "tests.support.audit", str(directory / "requirements.lock")),
            *("--vulnerability-service=osv", f"--osv-url={url}", "--timeout=5"),
            f"--cache-dir={directory / 'cache'}",
        ],
        cwd=ROOT, env=environ, check=False, capture_output=True, text=True,
    )  # fmt: skip


class TestAsked:
    """A service is asked about every package."""

    def test_all(self, tmp_path: Path) -> None:
        """Where it knows nothing against any of them all is well; those of other systems are asked about, too."""
        with service(lambda _: (200, "{}")) as (url, asked):
            ended = audit(tmp_path, url)

        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == "3 packages of requirements.lock were audited\n"
        assert sorted(asked) == ["one", "three", "two"]

    def test_weakness(self, tmp_path: Path) -> None:
        """What it knows against one is said."""
        known = {"vulns": [{"id": "PYSEC-1", "affected": []}]}

        with service(lambda name: (200, json.dumps(known) if name == "two" else "{}")) as (url, _):
            ended = audit(tmp_path, url)

        assert ended.returncode == 1
        assert ended.stderr == "two 2.0: PYSEC-1\n"

    @pytest.mark.parametrize("answer", [(500, "{}"), (200, "<html>Log in</html>")])
    def test_some(self, tmp_path: Path, answer: tuple[int, str]) -> None:
        """Where it does not answer for one, or something else answers in its place, nobody is reassured."""
        with service(lambda name: answer if name == "two" else (200, "{}")) as (url, _):
            ended = audit(tmp_path, url)

        assert ended.returncode == 1
        assert ended.stderr.endswith(f"0 {NONE_OF}one 1.0, two 2.0, three 3.0\n")

    def test_nobody(self, tmp_path: Path) -> None:
        """Where there is no service it fails, and says how many packages were looked at."""
        ended = audit(tmp_path, f"http://127.0.0.1:{free_port()}/")

        assert ended.returncode == 1
        assert ended.stderr.endswith(f"0 {NONE_OF}one 1.0, two 2.0, three 3.0\n")
        assert len(ended.stderr.splitlines()) == 2


class TestFaults:
    """What is said of a report."""

    LOCKED = Lock.parse("requirements.lock", LOCK)
    ALL = (Finding("one", "1.0"), Finding("two", "2.0"), Finding("three", "3.0"))

    def test_none(self) -> None:
        """All were looked at."""
        assert not faults(self.LOCKED, Report(self.ALL))

    @pytest.mark.parametrize(
        "found",
        [Finding("two"), Finding("two", "1.9"), Finding("twos", "2.0")],
        ids=["skipped", "another version", "another package"],
    )
    def test_fewer(self, found: Finding) -> None:
        """One was skipped, or another one was looked at in its place."""
        report = Report((self.ALL[0], found, self.ALL[2]))

        assert faults(self.LOCKED, report) == [f"2 {NONE_OF}two 2.0"]

    def test_remedy(self) -> None:
        """A weakness is said with what mends it, beside what was not looked at."""
        weak = Finding("one", "1.0", (Weakness("X-1", ("1.1", "2.0")),))

        assert faults(self.LOCKED, Report((weak, *self.ALL[1:]))) == [
            "one 1.0: X-1, mended in 1.1, 2.0"
        ]

    def test_line_without_version(self) -> None:
        """A line that no service can be asked about is one that was not looked at."""
        lock = Lock.parse("requirements.lock", "one==1.0\n./here\n")

        assert faults(lock, Report(self.ALL)) == [
            "1 of 2 packages of requirements.lock were audited; not: ./here"
        ]

    @pytest.mark.parametrize("text", ["", "# Nothing.\n"])
    def test_empty_lock(self, text: str) -> None:
        """A lock that locks nothing is no reason to be content."""
        assert faults(Lock.parse("requirements.lock", text), Report()) == [
            "0 of 0 packages of requirements.lock were audited; not: any"
        ]


def test_make() -> None:
    """The Makefile asks about what is shipped, and writes down what that is only if all is well."""
    command = ["make", "--dry-run", "--silent", "audit"]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own.
    lines: list[Any] = [line.split() for line in said.splitlines()]

    (audited,) = [line for line in lines if "tests.support.audit" in line]
    (written,) = [line for line in lines if "--output-file" in line]
    assert audited[1:4] == ["-m", "tests.support.audit", "requirements.lock"]
    assert written[-1] == "sbom.json"
    assert lines.index(audited) < lines.index(written)
