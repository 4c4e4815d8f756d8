"""
How Kafka is reached and used: the grammar of its URL, and the settings of the section ``[kafka]``.

Pure.  The URL says where some of the brokers are, ``kafka://host[:port],host[:port]``; everything
else, and above all everything secret, stands in the settings.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from libs.common.config.fields import Seconds
from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured

SCHEME = "kafka://"
DEFAULT_PORT = 9092

Count = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=1024)]


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How Kafka is used: ``[kafka]``.

    Attributes:
        client_id: What Kafka's logs and quotas call us.
        client_rack: Where we stand, if brokers of the same rack shall be read from.
        sasl_mechanism: How we prove who we are; empty: not at all.
        sasl_username: The name under which we log in.
        sasl_password: The password that goes with it.
        tls: Whether connections are encrypted, and the brokers' certificates and names verified.
        ca: File with the certificate of the authority; empty: the system's.
        certificate: File with our own certificate, if brokers ask for one.
        certificate_key: File with its private key.
        batch: The most records that one fetch returns.
        max_record: The most bytes that key, value and headers of an appended record may have
            together.
        max_partition_bytes: What one answer brings of a partition at most; times the number of
            partitions that a process reads it bounds the memory that waiting records take.
        max_fetch_bytes: What one answer brings at most.
        request_timeout: Seconds to wait for an answer of a broker.
        delivery_timeout: Seconds that an append may take.
        commit_timeout: Seconds that a commit may take.
        session_timeout: Seconds after which a silent member of a group is given up, and its
            partitions go to others.
        heartbeat_interval: Seconds between two signs of life.
        rebalance_timeout: Seconds that the members of a group wait for each other when it changes.
        release_timeout: Seconds that a change of the group waits for records in work to be
            committed.
        work_timeout: Seconds that the work on a batch may take before its partitions go to other
            members.
        silence_timeout: Seconds without an answer after which Kafka is asked whether it is there.
        stall_timeout: Seconds without an answer, or without progress while there is something to
            read, after which a consumer is replaced by a new one.
        metadata_interval: Seconds after which a new topic is noticed at the latest.
    """

    client_id: str = "fanfare"
    client_rack: str = ""
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    sasl_username: str = ""
    sasl_password: Secret = Secret("")
    tls: bool = False
    ca: str = ""
    certificate: str = ""
    certificate_key: str = ""
    batch: Count = 500
    max_record: Bytes = 1_000_000
    max_partition_bytes: Bytes = 1_048_576
    max_fetch_bytes: Bytes = 8_388_608
    request_timeout: Seconds = 15.0
    delivery_timeout: Seconds = 10.0
    commit_timeout: Seconds = 20.0
    session_timeout: Seconds = 20.0
    heartbeat_interval: Seconds = 3.0
    rebalance_timeout: Seconds = 12.0
    release_timeout: Seconds = 5.0
    work_timeout: Seconds = 120.0
    silence_timeout: Seconds = 3.0
    stall_timeout: Seconds = 15.0
    metadata_interval: Seconds = 10.0

    def __post_init__(self) -> None:
        if self.sasl_mechanism and not (self.sasl_username and self.sasl_password.reveal()):
            raise ValueError("sasl_mechanism needs sasl_username and sasl_password")
        if self.sasl_username and not self.sasl_mechanism:
            raise ValueError("sasl_username needs a sasl_mechanism")
        if not self.tls and (self.ca or self.certificate or self.certificate_key):
            raise ValueError("ca, certificate and certificate_key need tls = true")
        if bool(self.certificate) != bool(self.certificate_key):
            raise ValueError("certificate and certificate_key need each other")
        if self.session_timeout < 3 * self.heartbeat_interval:
            raise ValueError("session_timeout must be three times heartbeat_interval or more")
        # A member learns of a rebalance by its heartbeat, then releases, then joins; who joined
        # first waits for it with a request that must not time out before.
        if self.heartbeat_interval + self.release_timeout >= self.rebalance_timeout:
            raise ValueError(
                "rebalance_timeout must exceed heartbeat_interval and release_timeout together"
            )
        if self.rebalance_timeout >= self.request_timeout:
            raise ValueError("request_timeout must exceed rebalance_timeout")


def servers(url: str) -> list[str]:
    """
    Read a Kafka URL.

    Returns:
        ``host:port`` of each server, as Kafka's clients want them.

    Raises:
        Misconfigured: It is none; the error says what is wrong, and repeats no part of it.
    """
    if not url.startswith(SCHEME):
        raise Misconfigured(f"a Kafka URL is {SCHEME}host:port, or several host:port with commas")
    rest = url.removeprefix(SCHEME)
    if "@" in rest:
        raise Misconfigured("a Kafka URL holds no user: set kafka.sasl_username and sasl_password")
    if set("/?#") & set(rest):
        raise Misconfigured("a Kafka URL ends with its hosts: all else is set in [kafka]")
    return [_server(part.strip()) for part in rest.split(",")]


def _server(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    bracketed = host.startswith("[") and host.endswith("]")
    if not host.strip("[]") or bracketed != (":" in host):
        raise Misconfigured("a Kafka URL needs hosts after ://, IPv6 addresses in brackets")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise Misconfigured("the port of a Kafka URL is a number from 1 to 65535")
    return f"{host}:{port}"
