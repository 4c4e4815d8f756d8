"""
Where the chat's back end listens, and whom it talks to: variables of the environment.

The secrets are those of fanfare.toml, which are public: good for a try on one machine alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What differs from one machine to the next.

    Attributes:
        database_url: The PostgreSQL database that has the messages.
        host: Where the back end listens.
        port: Where the back end listens.
        fanfare_url: Where Fanfare is, for the back end as for the page.
        app_id: Of the app in Fanfare.
        key: Of the app in Fanfare.
        secret: Of the app in Fanfare; the page never sees it.
        jwt_secret: Signs users' tokens; Fanfare checks them with the same one.
        node_modules: Where npm has put pusher-js and Laravel Echo.
    """

    database_url: str
    host: str = "127.0.0.1"
    port: int = 8080
    fanfare_url: str = "http://127.0.0.1:6001"
    app_id: str = "1"
    key: str = "app-key"
    secret: str = "app-secret"  # noqa: S105 - public, see above.
    jwt_secret: str = "fanfare-development-secret-0123456789"  # noqa: S105 - likewise.
    node_modules: Path = HERE / "node_modules"


def read(environ: Mapping[str, str]) -> Settings:
    """
    Read the settings: ``CHAT_DATABASE_URL``, and where they differ the others.

    Raises:
        KeyError: No database is named.
        ValueError: The port is no number.
    """
    default = Settings(database_url=environ["CHAT_DATABASE_URL"])
    return Settings(
        database_url=default.database_url,
        host=environ.get("CHAT_HOST", default.host),
        port=int(environ.get("CHAT_PORT", default.port)),
        fanfare_url=environ.get("CHAT_FANFARE_URL", default.fanfare_url),
        secret=environ.get("CHAT_APP_SECRET", default.secret),
        jwt_secret=environ.get("CHAT_JWT_SECRET", default.jwt_secret),
        node_modules=Path(environ.get("CHAT_NODE_MODULES", default.node_modules)),
    )
