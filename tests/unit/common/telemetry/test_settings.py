"""``[telemetry]``: a receiver that cannot be one is named at the start."""

from pathlib import Path

import pytest

from libs.common.config.address import Url
from libs.common.errors import Misconfigured
from libs.common.telemetry.settings import TelemetrySettings
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
        ("collector:4318", "must be a URL"),
        ("grpc://collector:4317", "must begin with https://"),
        ("http://", "must be a URL"),
        ("http://collector:port", "must be a URL"),
        ("http://user:hush@collector:4318", "hold no password"),
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
