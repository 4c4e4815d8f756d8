"""
Watchlists: whom a client that signs in wants to be told of, as far as it may be.

Pure.  Source: Pusher, "Watchlist events".
"""

from itertools import islice

from libs.common.apps.app import App
from libs.common.channels import is_user_id
from services.gateway.protocol.effects import Effect, WatchUsers, error_told
from services.gateway.protocol.frames import User
from services.gateway.protocol.limits import WatchlistTooLong

MOST_WATCHED = 100  # Users of one watchlist (Pusher, "Watchlist events").


def watching(app: App, user: User) -> list[Effect]:
    """
    Have a client told of the users in its watchlist, and of what is left out.

    Args:
        app: Its app: says whether there are watchlists.
        user: As whom it has signed in.
    """
    if not app.watchlists:
        return [WatchUsers(())]
    named = dict.fromkeys(filter(is_user_id, user.watchlist))
    complaint = [error_told(WatchlistTooLong(MOST_WATCHED))] if len(named) > MOST_WATCHED else []
    return [*complaint, WatchUsers(tuple(islice(named, MOST_WATCHED)))]
