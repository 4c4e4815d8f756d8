"""``fanfare check``: what is wrong with the settings, without starting or asking anything."""

import argparse
from pathlib import Path

import pytest

from libs.common.errors import Misconfigured
from services.cli.check import execute
from services.settings import load

APP = '[[apps]]\nid = "1"\nkey = "k"\nsecrets = ["a-secret-of-its-own"]\n'
ISSUER = '[[auth.issuers]]\nissuer = "i"\naudience = "a"\nalgorithms = ["RS256"]\n'


def check(path: Path, *parts: str) -> int:
    path.write_text("\n".join(parts))
    return execute(argparse.Namespace(services=[]), load(path=path, environ={}))


class TestIssuers:
    """Keys that are in the file are tried; those that an issuer publishes are not asked for."""

    def test_published(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        jwks = 'jwks = "https://id.example.invalid/keys"'

        assert check(tmp_path / "f.toml", APP, ISSUER, jwks) == 0
        assert "the settings are good" in capsys.readouterr().out

    def test_unusable(self, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured, match=r'issuer "i".*RS256'):
            check(tmp_path / "f.toml", APP, ISSUER, 'key = "PEM"')
