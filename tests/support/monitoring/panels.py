"""
What the dashboard shows: rows of panels, and the expressions of each.

Pure.  `tests.support.monitoring.dashboard` makes Grafana's JSON of it.
"""

from dataclasses import dataclass

CHOSEN = 'job=~"$job", instance=~"$instance"'
WINDOW = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Query:
    """
    A line, or several, of a panel.

    Attributes:
        expression: PromQL, with Grafana's variables.
        legend: How a line is called: text with ``{{label}}``.
    """

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """
    A panel.

    Attributes:
        title: What it shows.
        unit: As Grafana calls it: ``short``, ``s``, ``bytes``, ``ops`` (a second), ``percentunit``.
        queries: Its lines.
        kind: ``timeseries``, or ``stat`` for a number alone.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def rates(name: str, *labels: str, legend: str = "") -> Query:
    """Show how fast a counter grows, apart by labels."""
    expression = f"{_sum(labels)}(rate({name}{{{CHOSEN}}}[{WINDOW}]))"
    return Query(expression, legend or _legend(labels))


def sums(name: str, *labels: str, legend: str = "", how: str = "sum") -> Query:
    """Show a gauge, added up (or its ``max``, or ``min``) apart by labels."""
    return Query(f"{_sum(labels, how)}({name}{{{CHOSEN}}})", legend or _legend(labels))


def quantiles(name: str, *labels: str, of: tuple[float, ...] = (0.5, 0.99)) -> tuple[Query, ...]:
    """Show quantiles of a histogram, apart by labels."""
    buckets = f"{_sum((*labels, 'le'))}(rate({name}_bucket{{{CHOSEN}}}[{WINDOW}]))"
    suffix = f" {_legend(labels)}" if labels else ""
    return tuple(
        Query(f"histogram_quantile({each}, {buckets})", f"p{each * 100:g}{suffix}") for each in of
    )


def _sum(labels: tuple[str, ...], how: str = "sum") -> str:
    return f"{how} by ({', '.join(labels)}) " if labels else how


def _legend(labels: tuple[str, ...]) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in labels)


def _panel(title: str, unit: str, *queries: Query, kind: str = "timeseries") -> Panel:
    return Panel(title, unit, queries, kind)


USERS = Row(
    "Users",
    (
        _panel("Connections", "short", sums("fanfare_connections"), kind="stat"),
        _panel(
            "Messages a second",
            "ops",
            rates("fanfare_messages_sent_total", legend="sent"),
            kind="stat",
        ),
        _panel(
            "Latency, publish to socket, p99",
            "s",
            *quantiles("fanfare_hub_latency_seconds", of=(0.99,)),
            kind="stat",
        ),
        _panel("Targets that answer", "short", sums("up", legend="up"), kind="stat"),
        _panel(
            "Latency, publish to socket",
            "s",
            *quantiles("fanfare_hub_latency_seconds", of=(0.5, 0.95, 0.99)),
        ),
        _panel(
            "Latency, event of the log to socket",
            "s",
            *quantiles("fanfare_delivery_latency_seconds", of=(0.5, 0.95, 0.99)),
        ),
        _panel(
            "Messages",
            "ops",
            rates("fanfare_messages_sent_total", "kind", legend="sent: {{kind}}"),
            rates("fanfare_messages_received_total", "kind", legend="received: {{kind}}"),
        ),
        _panel(
            "Who comes and goes",
            "ops",
            rates("fanfare_connections_opened_total", legend="opened"),
            rates("fanfare_connections_closed_total", "code", legend="closed: {{code}}"),
        ),
        _panel(
            "Refused",
            "ops",
            rates("fanfare_connections_refused_total", "code", legend="connect: {{code}}"),
            rates("fanfare_subscribes_refused_total", "status", legend="subscribe: {{status}}"),
        ),
        _panel("Limits reached", "ops", rates("fanfare_rate_limited_total", "limit")),
    ),
)

GATEWAYS = Row(
    "Gateways",
    (
        _panel("Connections", "short", sums("fanfare_connections", "instance")),
        _panel(
            "Channels and subscriptions",
            "short",
            sums("fanfare_channels", legend="channels, each gateway's counted"),
            sums("fanfare_subscriptions", legend="subscriptions"),
            sums("fanfare_members", legend="of presence channels"),
        ),
        _panel(
            "Bytes a second",
            "Bps",
            rates("fanfare_sent_bytes_total", legend="sent"),
            rates("fanfare_received_bytes_total", legend="received"),
        ),
        _panel(
            "Broadcasts",
            "ops",
            rates("fanfare_broadcasts_total", "instance"),
        ),
        _panel("Recipients of a broadcast", "short", *quantiles("fanfare_broadcast_recipients")),
        _panel(
            "Latency by gateway",
            "s",
            *quantiles("fanfare_hub_latency_seconds", "instance", of=(0.99,)),
        ),
        _panel(
            "Write buffers",
            "bytes",
            sums("fanfare_write_buffer_bytes", "instance", legend="all: {{instance}}"),
            sums(
                "fanfare_write_buffer_max_bytes",
                "instance",
                how="max",
                legend="fullest: {{instance}}",
            ),
        ),
        _panel(
            "Clients cut off as too slow", "ops", rates("fanfare_slow_consumers_total", "instance")
        ),
        _panel(
            "Reading from clients paused", "ops", rates("fanfare_reading_paused_total", "reason")
        ),
        _panel("Clients not read from", "short", sums("fanfare_unheard_clients", "instance")),
        _panel("What waits", "short", sums("fanfare_queue_depth", "queue")),
        _panel(
            "Gaps",
            "ops",
            rates("fanfare_gaps_total", legend="read again"),
            rates("fanfare_position_mismatches_total", legend="found by comparing positions"),
            rates("fanfare_member_gaps_total", legend="of members"),
            rates("fanfare_gaps_unrepaired_total", legend="lost"),
            rates("fanfare_bus_interruptions_total", legend="cut off from the bus"),
            rates("fanfare_leases_lost_total", legend="leases lost"),
        ),
        _panel(
            "Dropped",
            "ops",
            rates("fanfare_client_events_dropped_total", legend="client events"),
            rates("fanfare_typing_dropped_total", legend="typing"),
            rates("fanfare_marks_dropped_total", legend="marks"),
            rates("fanfare_facts_dropped_total", legend="facts"),
        ),
        _panel(
            "State",
            "short",
            sums("fanfare_listening", legend="listening"),
            sums("fanfare_draining", legend="draining"),
            sums("fanfare_typists", legend="users who type"),
            sums("fanfare_online_connections", legend="connections of users"),
        ),
    ),
)

EVENTS = Row(
    "Dispatcher and Kafka",
    (
        _panel("Records", "ops", rates("fanfare_records_total", "result")),
        _panel(
            "Records that wait", "short", sums("fanfare_consumer_lag_records", "group", "topic")
        ),
        _panel("Age of records when sent", "s", *quantiles("fanfare_record_age_seconds")),
        _panel("Dead letters", "ops", rates("fanfare_dead_letters_total", "reason")),
        _panel("Time for a batch", "s", *quantiles("fanfare_batch_seconds")),
        _panel("Time for a publish", "s", *quantiles("fanfare_publish_seconds")),
        _panel("Records of a batch", "short", *quantiles("fanfare_batch_records")),
        _panel("Broadcasts of a record", "short", *quantiles("fanfare_record_broadcasts")),
        _panel(
            "What is published",
            "ops",
            rates("fanfare_posted_total", "kind", legend="posted: {{kind}}"),
            rates("fanfare_routed_broadcasts_total", legend="of records"),
            rates("fanfare_bus_publications_total", "result", legend="bus: {{result}}"),
        ),
        _panel(
            "Partitions",
            "short",
            sums("fanfare_consumer_partitions", "group"),
            sums("fanfare_consumer_partitions_blocked", "group", legend="blocked: {{group}}"),
        ),
        _panel(
            "Consumers",
            "ops",
            rates("fanfare_consumer_rebalances_total", "group", legend="assigned: {{group}}"),
            rates("fanfare_consumer_restarts_total", "group", legend="replaced: {{group}}"),
            rates("fanfare_commits_failed_total", legend="commits that failed"),
        ),
        _panel("Senders whose typing was not ended", "ops", rates("fanfare_senders_untold_total")),
        _panel("Routes that sent nothing", "ops", rates("fanfare_routes_skipped_total", "reason")),
        _panel("Waits for a backend", "short", sums("fanfare_pipeline_waiting", "instance")),
    ),
)

AUTH = Row(
    "Auth",
    (
        _panel(
            "Until the certificate ends",
            "s",
            Query(
                f"min by (instance) (fanfare_certificate_expiry_timestamp_seconds{{{CHOSEN}}}) - time()",
                "{{instance}}",
            ),
        ),
        _panel("Requests by status", "ops", rates("fanfare_auth_requests_total", "status")),
        _panel("Channels", "ops", rates("fanfare_auth_channels_total", "result")),
        _panel("Time for a decision", "s", *quantiles("fanfare_auth_decision_seconds")),
        _panel("Age of issuers' keys", "s", sums("fanfare_jwks_age_seconds", "issuer", how="max")),
        _panel("Readings of keys", "ops", rates("fanfare_jwks_reads_total", "issuer", "result")),
        _panel("Memberships looked up", "ops", rates("fanfare_membership_lookups_total", "result")),
        _panel("Memberships that wait", "short", sums("fanfare_membership_questions", "instance")),
    ),
)

PRESENCE = Row(
    "Presence and webhooks",
    (
        _panel(
            "Facts",
            "ops",
            rates("fanfare_facts_total", "sink"),
            rates("fanfare_facts_lost_total", "sink", legend="lost: {{sink}}"),
        ),
        _panel("Age of facts not taken", "s", sums("fanfare_facts_lag_seconds", "sink", how="max")),
        _panel("Streams under way", "short", sums("fanfare_fact_passages", "instance")),
        _panel("Partitions of facts", "short", sums("fanfare_fact_partitions", "instance")),
        _panel("Webhooks", "ops", rates("fanfare_webhook_requests_total", "result")),
        _panel(
            "Webhooks that fail", "short", sums("fanfare_webhooks_away", how="max", legend="away")
        ),
        _panel("Sweeps", "ops", rates("fanfare_sweeps_total", "result")),
        _panel(
            "Last seen",
            "ops",
            rates("fanfare_last_seen_stored_total", legend="stored"),
            rates("fanfare_last_seen_dropped_total", legend="dropped"),
        ),
        _panel("Last seen that waits", "short", sums("fanfare_last_seen_waiting", "instance")),
        _panel("Time to store last seen", "s", *quantiles("fanfare_last_seen_flush_seconds")),
    ),
)

BACKENDS = Row(
    "Backends",
    (
        _panel("Backends that answer", "short", sums("fanfare_backend_up", "backend", how="min")),
        _panel("Outages", "ops", rates("fanfare_backend_outages_total", "backend")),
        _panel(
            "Memory of Redis",
            "bytes",
            sums("fanfare_redis_memory_used_bytes", "server", how="max", legend="used: {{server}}"),
            sums("fanfare_redis_memory_max_bytes", "server", how="max", legend="most: {{server}}"),
        ),
        _panel(
            "Keys that Redis dropped", "ops", rates("fanfare_redis_evicted_keys_total", "server")
        ),
        _panel("Unreadable in Redis", "ops", rates("fanfare_redis_unreadable_total", "kind")),
        _panel(
            "Replicas of Redis behind",
            "bytes",
            sums("fanfare_redis_replication_lag_bytes", "server", how="max"),
        ),
        _panel(
            "Connections to PostgreSQL",
            "short",
            sums("fanfare_postgres_connections_used", "backend", legend="used: {{backend}}"),
            sums("fanfare_postgres_connections_max", "backend", legend="most: {{backend}}"),
        ),
        _panel("Connections asked for", "ops", rates("fanfare_postgres_acquires_total", "backend")),
        _panel(
            "Waits for connections, seconds a second",
            "short",
            rates("fanfare_postgres_acquire_seconds_total", "backend"),
        ),
        _panel(
            "Canary: from publish to hearing",
            "s",
            *quantiles("fanfare_canary_seconds", of=(0.5, 0.99)),
        ),
        _panel("Canaries lost", "ops", rates("fanfare_canary_lost_total", "instance")),
    ),
)

PROCESSES = Row(
    "Processes",
    (
        _panel("CPU, cores", "short", rates("fanfare_process_cpu_seconds_total", "instance")),
        _panel("Memory", "bytes", sums("fanfare_process_resident_memory_bytes", "instance")),
        _panel(
            "Event loop, lag, p99",
            "s",
            *quantiles("fanfare_event_loop_lag_seconds", "instance", of=(0.99,)),
        ),
        _panel(
            "Event loop, held, seconds a second",
            "short",
            rates("fanfare_event_loop_held_seconds_total", "instance"),
        ),
        _panel(
            "Open files",
            "short",
            sums("fanfare_process_open_fds", "instance", legend="open: {{instance}}"),
            sums("fanfare_process_max_fds", "instance", legend="most: {{instance}}"),
        ),
        _panel("Requests by status", "ops", rates("fanfare_http_requests_total", "status")),
        _panel("Time for a request", "s", *quantiles("fanfare_http_request_seconds")),
        _panel(
            "Bodies of requests",
            "bytes",
            sums("fanfare_http_body_bytes", "instance", legend="{{instance}}"),
        ),
        _panel(
            "Requests refused for want of room",
            "ops",
            rates("fanfare_http_bodies_refused_total", "instance"),
        ),
        _panel(
            "Pauses for garbage, p99",
            "s",
            *quantiles("fanfare_gc_pause_seconds", "instance", of=(0.99,)),
        ),
        _panel(
            "Running since",
            "dateTimeAsIso",
            Query(
                f"1000 * max by (instance) (fanfare_process_start_time_seconds{{{CHOSEN}}})",
                "{{instance}}",
            ),
            kind="stat",
        ),
        _panel("Releases", "short", sums("fanfare_build_info", "version", "python"), kind="stat"),
        _panel("Rules read again", "ops", rates("fanfare_config_reloads_total", "result")),
        _panel(
            "Lines of the log lost", "ops", rates("fanfare_log_lines_dropped_total", "instance")
        ),
        _panel("Sent by OTLP", "ops", rates("fanfare_otlp_exports_total", "result")),
        _panel("Spans", "ops", rates("fanfare_spans_total", "result")),
    ),
)

ROWS = (USERS, GATEWAYS, EVENTS, AUTH, PRESENCE, BACKENDS, PROCESSES)
