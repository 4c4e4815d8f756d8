"""What is logged, and where metrics and spans go: the sections ``[log]`` and ``[telemetry]``."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from libs.common.config.address import Url
from libs.common.config.fields import Seconds
from libs.common.config.secret import Secret
from libs.common.egress.urls import check_url

_EXAMPLE = "http://collector:4318"
_SIGNALS = ("/v1/metrics", "/v1/traces", "/v1/logs")


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is logged, and how: ``[log]``.

    Attributes:
        level: The least that is written.
        format: ``json`` for machines, ``console`` for people; ``auto`` is console on a terminal,
            else json.
        audit: Where the audit log goes: ``off``: nowhere; ``log``: it stands among the other lines;
            else the path of a file that it is appended to.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    audit: str = "off"

    def __post_init__(self) -> None:
        if self.audit not in {"off", "log"} and "/" not in self.audit:
            raise ValueError("audit is off, log, or the path of a file, such as /var/log/audit.log")


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where metrics and spans are sent, beside `/metrics` of the internal address: ``[telemetry]``.

    Attributes:
        otlp_endpoint: The receiver, as OTLP over HTTP names it: ``/v1/metrics`` and ``/v1/traces``
            are appended; empty: nothing is sent, and no span is made.
        otlp_authorization: The header ``Authorization`` of what is sent; empty: there is none.
        otlp_interval: Seconds from one sending of metrics to the next; spans wait for a second at
            most.
        otlp_timeout: Seconds that one may take.
        sample_ratio: The share of events without a ``traceparent`` that begin a trace, from 0 to 1;
            0: only what comes with a sampled one is traced.
    """

    otlp_endpoint: Url = Url("")
    otlp_authorization: Secret = Secret("")
    otlp_interval: Seconds = 15.0
    otlp_timeout: Seconds = 5.0
    sample_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0

    def __post_init__(self) -> None:
        text = self.otlp_endpoint.reveal()
        if not text:
            if self.sample_ratio:
                raise ValueError(
                    "sample_ratio is set, and otlp_endpoint, which takes spans, is not"
                )
            return
        check_url(text, "otlp_endpoint", example=_EXAMPLE, plain_http=True)
        url = urlsplit(text)
        if url.query or url.path.rstrip("/").endswith(_SIGNALS):
            raise ValueError(f"otlp_endpoint is what stands before /v1/metrics, such as {_EXAMPLE}")

    def url(self, path: str) -> str:
        """Name where one signal goes, given its path (OTLP, "OTLP/HTTP Request")."""
        return self.otlp_endpoint.reveal().rstrip("/") + path
