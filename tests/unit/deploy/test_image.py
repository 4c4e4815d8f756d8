"""Dockerfile and what it installs."""

import re
import shutil
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

from tests.support.deployments.composition import IMAGE, composition, secrets
from tests.support.deployments.program import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
IGNORE = (ROOT / ".dockerignore").read_text().splitlines()


def instructions(name: str) -> list[str]:
    """Return the arguments of every instruction of a name."""
    return [line.partition(" ")[2] for line in DOCKERFILE.splitlines() if line.startswith(name)]


def sources() -> list[str]:
    """Return what is copied from the repository."""
    copies = [words.split() for words in instructions("COPY") if not words.startswith("--from")]
    return [source for *some, _ in copies for source in some]


class TestDockerfile:
    """What can be told without building."""

    def test_sources(self) -> None:
        """What it copies is there, and is sent to the builder; secrets and histories are not."""
        kept = {line.removeprefix("!") for line in IGNORE if line.startswith("!")}

        assert "*" in IGNORE
        assert set(sources()) == kept
        assert all((ROOT / source).exists() for source in kept)
        assert not any(fnmatch(name, pattern) for name in (".env", ".git") for pattern in kept)

    def test_locked(self) -> None:
        """Only what is locked is installed, nothing of it is built, and nothing is missing."""
        installs = [run for run in instructions("RUN") if " install " in run]

        assert len(installs) == 2
        locked = "--no-deps --require-hashes --only-binary :all: --requirement requirements.lock"
        assert locked in installs[0]
        assert "--no-deps --no-build-isolation ." in installs[1]
        assert "pip --python /opt/fanfare check" in installs[1]

    def test_base(self) -> None:
        """Both stages have the same Python, of a version that is named and that the tests run on."""
        (base,) = {words.split()[0] for words in instructions("FROM")}
        (usual,) = [words.removeprefix("PYTHON_IMAGE=") for words in instructions("ARG")]

        assert base == "${PYTHON_IMAGE}"
        for service in composition(secrets())["services"].values():
            if service["image"] == IMAGE:
                assert service["build"]["args"] == {"PYTHON_IMAGE": usual}
        version = re.fullmatch(r"python:(\d+)\.(\d+)-slim-[a-z]+", usual)
        assert version
        assert tuple(map(int, version.groups())) == (3, 11)

    def test_user(self) -> None:
        """It runs as an account that is no root, the one that the composition names."""
        (user,) = instructions("USER")
        services = composition(secrets())["services"].values()

        assert {service["user"] for service in services if service["image"] == IMAGE} == {user}

    def test_rules(self) -> None:
        """Hadolint's rules are kept."""
        hadolint = Path(sys.executable).with_name("hadolint")

        judged = subprocess.run(  # noqa: S603 - locked.
            [hadolint, ROOT / "Dockerfile"], check=False, capture_output=True, text=True
        )

        assert (judged.returncode, judged.stdout) == (0, "")


class TestWheel:
    """What `pip install .` installs."""

    def test_complete(self, tmp_path: Path) -> None:
        """All modules, scripts and migrations are in it, and nothing else."""
        for source in sources():
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, tmp_path / source)

        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
        command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", "made", "."]
        subprocess.run(command, cwd=tmp_path, check=True)  # noqa: S603 - our own.

        (wheel,) = (tmp_path / "made").glob("*.whl")
        packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
        needed = {
            str(path.relative_to(ROOT))
            for package in ("libs", "services")
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert packed == needed
