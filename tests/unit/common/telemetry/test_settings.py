"""``[telemetry]``: a receiver that cannot be one is named at the start."""

from pathlib import Path

import pytest

from libs.common.config.address import Url
from libs.common.errors import Misconfigured
from libs.common.telemetry.settings import LogSettings, TelemetrySettings
from services.settings import load


@pytest.mark.parametrize(
    "url", ["http://collector:4318", "https://otlp.example.org/otlp", "http://[::1]:4318/"]
)
def test_receivers(url: str) -> None:
    settings = TelemetrySettings(otlp_endpoint=Url(url))

    assert settings.url("/v1/metrics") == url.rstrip("/") + "/v1/metrics"


@pytest.mark.parametrize(
    "url,said",
    [
        ("collector:4318", "must be a URL such as http://collector:4318"),
        ("grpc://collector:4317", "must begin with https:// or http://"),
        ("http://", "must be a URL"),
        ("http://collector:port", "must be a URL"),
        ("http://user:hush@collector:4318", "hold no user and no password"),
        ("http://collector:4318/v1/metrics", "what stands before /v1/metrics"),
        ("http://collector:4318/v1/traces/", "what stands before /v1/metrics"),
        ("http://collector:4318?a=b", "what stands before /v1/metrics"),
    ],
)
def test_refused(tmp_path: Path, url: str, said: str) -> None:
    """
    The sentence names the setting, and nothing that may be secret.
    """
    file = tmp_path / "fanfare.toml"
    file.write_text(f'[telemetry]\notlp_endpoint = "{url}"\n')

    with pytest.raises(Misconfigured, match=r"telemetry: otlp_endpoint") as raised:
        load(path=file, environ={})

    assert said in str(raised.value)
    assert "hush" not in str(raised.value).partition("telemetry:")[2]


def test_nowhere_to_send() -> None:
    """
    Who asks for traces says where they go.
    """
    with pytest.raises(ValueError, match="otlp_endpoint, which takes spans, is not"):
        TelemetrySettings(sample_ratio=0.1)


@pytest.mark.parametrize("ratio", ["-0.1", "1.1"])
def test_no_share(tmp_path: Path, ratio: str) -> None:
    file = tmp_path / "fanfare.toml"
    file.write_text(f'[telemetry]\notlp_endpoint = "http://a:1"\nsample_ratio = {ratio}\n')

    with pytest.raises(Misconfigured, match=r"telemetry\.sample_ratio"):
        load(path=file, environ={})


@pytest.mark.parametrize("audit", ["off", "log", "/var/log/audit.log", "./audit"])
def test_audit(audit: str) -> None:
    assert LogSettings(audit=audit).audit == audit


def test_no_audit() -> None:
    """
    A word that is none of the two is no file.
    """
    with pytest.raises(ValueError, match="audit is off, log, or the path of a file"):
        LogSettings(audit="on")
