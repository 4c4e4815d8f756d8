"""deploy/secrets.sh, and how the Makefile keeps what it makes."""

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from libs.common.tokens.keys import private_key, public_key
from services.auth.settings import SHORTEST_SECRET
from tests.support.deployments.composition import secrets, variables
from tests.support.deployments.program import ROOT

SCRIPT = ROOT / "deploy" / "secrets.sh"
SECRETS = (
    *("APP_SECRET", "JWT_SECRET", "COOKIE_KEY", "REDIS_PASSWORD"),
    *("POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "POSTGRES_SERVICES_PASSWORD"),
)


class TestMade:
    """What is printed."""

    @pytest.mark.parametrize("name", SECRETS)
    def test_strong(self, name: str) -> None:
        """A secret has 256 bits, and nothing that a URL, JSON or a shell would take for something else."""
        made = secrets()[name]

        assert re.fullmatch(r"[0-9a-f]{64}", made)
        assert len(made) >= SHORTEST_SECRET

    def test_master_key(self) -> None:
        """The master key is one: 32 bytes as base64."""
        assert len(base64.b64decode(secrets()["APP_MASTER_KEY"], validate=True)) == 32

    def test_new(self) -> None:
        """Nothing is made twice."""
        one, two = secrets(), secrets()

        assert {name for name in one if one[name] == two[name]} == {"PUBLISH"}
        assert len(set(one.values())) == len(one)


def token_keys(text: str) -> list[dict[str, str]]:
    return msgspec.json.decode(text, type=list[dict[str, str]])


class TestTokenKey:
    """The key pair that signs channel tokens."""

    def test_pair(self) -> None:
        """An Ed25519 pair, whose public half is told apart for those who only verify."""
        made = secrets()

        (signing,) = token_keys(made["TOKEN_KEYS"])
        private = signing.pop("private_key")
        assert token_keys(made["TOKEN_PUBLIC_KEYS"]) == [signing]
        derived = private_key(private, "EdDSA").public_key()
        assert derived == public_key(signing["public_key"], "EdDSA")
        assert re.fullmatch(r"[0-9a-f]{16}", signing["kid"])

    def test_shell(self, tmp_path: Path) -> None:
        """A shell that reads the file understands the same as Compose."""
        text = subprocess.run([SCRIPT], check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours.
        (tmp_path / "env").write_text(text)
        read = f'. {tmp_path}/env; printf %s "$TOKEN_KEYS"'

        said = subprocess.run(["/bin/sh", "-c", read], check=True, capture_output=True, text=True)  # noqa: S603 - ours.

        assert said.stdout == variables(text)["TOKEN_KEYS"]

    @pytest.mark.parametrize("answer", ["exit 1", None], ids=["too old", "absent"])
    def test_without_openssl(self, tmp_path: Path, answer: str | None) -> None:
        """Where OpenSSL cannot make one all else is made, and the reason is said."""
        for name in ("sh", "head", "od", "tr", "base64", "cat", "awk"):
            (tmp_path / name).symlink_to(str(shutil.which(name)))
        if answer:
            (tmp_path / "openssl").write_text(f"#!/bin/sh\n{answer}\n")
            (tmp_path / "openssl").chmod(0o700)
        environ = os.environ | {"PATH": str(tmp_path)}

        made = subprocess.run([SCRIPT], check=True, capture_output=True, text=True, env=environ)  # noqa: S603 - ours.

        assert variables(made.stdout).keys() == secrets().keys() - {
            "TOKEN_KEYS",
            "TOKEN_PUBLIC_KEYS",
        }
        assert "no OpenSSL" in made.stderr
        assert "501" in made.stderr

    def test_added(self, tmp_path: Path) -> None:
        """To an .env from before it is added with what the script itself says."""
        (said,) = re.findall(r"(deploy/secrets\.sh \| .* >> \.env)", SCRIPT.read_text())
        shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
        (tmp_path / ".env").write_text("APP_KEY=kept\n")

        subprocess.run(["/bin/sh", "-c", said], check=True, cwd=tmp_path)  # noqa: S603 - ours.

        now = variables((tmp_path / ".env").read_text())
        assert now.keys() == {"APP_KEY", "TOKEN_KEYS", "TOKEN_PUBLIC_KEYS"}
        assert token_keys(now["TOKEN_KEYS"])[0]["kid"] in now["TOKEN_PUBLIC_KEYS"]


def make(directory: Path) -> int:
    """Let the Makefile make .env in a directory, and return the exit status."""
    (directory / "deploy").mkdir(exist_ok=True)
    command = ["make", "--silent", f"--file={ROOT / 'Makefile'}", ".env"]
    return subprocess.run(command, cwd=directory, check=False).returncode  # noqa: S603 - our own.


class TestKept:
    """`make up` keeps them in .env."""

    def test_private(self, tmp_path: Path) -> None:
        """Only their owner reads them, and they stay when they are there."""
        shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
        file = tmp_path / ".env"

        assert make(tmp_path) == 0
        kept = file.read_text()
        assert make(tmp_path) == 0

        assert file.stat().st_mode & 0o777 == 0o600
        assert all(f"{name}=" in kept for name in SECRETS)
        assert file.read_text() == kept

    def test_older(self, tmp_path: Path) -> None:
        """To one from before, what it lacks is added; nothing that is there is changed, and the keys of tokens are a pair."""
        shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
        file = tmp_path / ".env"
        before = "APP_KEY=mine\nexport REDIS_PASSWORD=mine\nGRAFANA_PASSWORD=\n#COOKIE_KEY=no\nTOKEN_KEYS='[]'"
        file.write_text(before)

        assert make(tmp_path) == 0
        kept = file.read_text()
        assert make(tmp_path) == 0

        assert file.read_text() == kept
        assert kept.startswith(f"{before}\n")
        added = variables(kept.removeprefix(before))
        mine = {"APP_KEY", "REDIS_PASSWORD", "GRAFANA_PASSWORD", "TOKEN_KEYS", "TOKEN_PUBLIC_KEYS"}
        assert added.keys() == secrets().keys() - mine - {"PUBLISH"}
        assert re.fullmatch(r"[0-9a-f]{64}", added["COOKIE_KEY"])

    def test_failure(self, tmp_path: Path) -> None:
        """Where they cannot be made nothing is kept that would be taken for them."""
        assert make(tmp_path) != 0

        assert not (tmp_path / ".env").exists()
