"""What is logged, and where metrics are sent: the sections ``[log]`` and ``[telemetry]``."""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from libs.common.config.address import Url
from libs.common.config.fields import Seconds
from libs.common.config.secret import Secret
from libs.common.egress.urls import check_url

_SIGNALS = ("/v1/metrics", "/v1/traces", "/v1/logs")


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is logged, and how: ``[log]``.

    Attributes:
        level: The least that is written.
        format: ``json`` for machines, ``console`` for people; ``auto`` is console on a terminal,
            else json.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where metrics are sent, beside `/metrics` of the internal address: ``[telemetry]``.

    Attributes:
        otlp_endpoint: The receiver, as OTLP over HTTP names it: ``/v1/metrics`` is appended; empty:
            nothing is sent.
        otlp_authorization: The header ``Authorization`` of what is sent; empty: there is none.
        otlp_interval: Seconds from one sending to the next.
        otlp_timeout: Seconds that one may take.
    """

    otlp_endpoint: Url = Url("")
    otlp_authorization: Secret = Secret("")
    otlp_interval: Seconds = 15.0
    otlp_timeout: Seconds = 5.0

    def __post_init__(self) -> None:
        text = self.otlp_endpoint.reveal()
        if not text:
            return
        check_url(text, "otlp_endpoint", plain_http=True)
        url = urlsplit(text)
        if url.query or url.path.rstrip("/").endswith(_SIGNALS):
            raise ValueError(
                "otlp_endpoint is what stands before /v1/metrics, such as http://collector:4318"
            )

    def url(self, path: str) -> str:
        """Name where one signal goes, given its path (OTLP, "OTLP/HTTP Request")."""
        return self.otlp_endpoint.reveal().rstrip("/") + path
