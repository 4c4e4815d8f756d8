"""
Who watches whom on this gateway, what is known of those, and what each watcher was told.

Pure.  A watcher is told differences to what it was told before, so that nothing is lost or told
twice, however long nothing was known.  The first that it is told is the whole: it comes when of
each of its users something is known, or has been asked for in vain.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from libs.common.channels import Channel, online_user
from libs.common.fairness.shares import Shares

W = TypeVar("W")


class News(NamedTuple):
    """
    What a watcher is told.

    Attributes:
        online: Ids of the users who are online.
        offline: Ids of those who are not.
    """

    online: list[str]
    offline: list[str]


@dataclass(slots=True)
class _Watcher:
    """
    Who wants to be told.

    Attributes:
        told: What it was told of each user's channel: whether the user is online; None: nothing.
        is_begun: Whether it was told the whole.
        stirred: The channels of which it may have to be told, in order.
    """

    told: dict[Channel, bool | None]
    is_begun: bool = False
    stirred: dict[Channel, None] = field(default_factory=dict)


@dataclass(slots=True)
class _User(Generic[W]):
    """
    Whom somebody watches.

    Attributes:
        watchers: Those who do.
        is_online: Whether the user is; None: that is not known yet.
        is_missed: Whether it was asked for in vain.
    """

    watchers: dict[W, None] = field(default_factory=dict)
    is_online: bool | None = None
    is_missed: bool = False


class WatchedUsers(Generic[W]):
    """
    The watchers of one gateway, and the users whom they watch.

    Args:
        most: How many users may be watched at a time, of all apps; see `Shares` for those of one.
    """

    def __init__(self, most: int) -> None:
        self._shares = Shares(most)
        self._watchers: dict[W, _Watcher] = {}
        self._users: dict[Channel, _User[W]] = {}
        self._stirred: dict[W, None] = {}

    def __len__(self) -> int:
        """Tell how many users are watched."""
        return len(self._users)

    def __contains__(self, channel: Channel) -> bool:
        return channel in self._users

    def channels(self) -> tuple[Channel, ...]:
        """Return the channels of all who are watched."""
        return tuple(self._users)

    def watch(self, watcher: W, channels: Collection[Channel]) -> Collection[Channel]:
        """
        Have a watcher told of these users from now on, and first of them all.

        Args:
            watcher: Who wants to be told.
            channels: The users' own; each once.

        Returns:
            Those that are watched: all, unless there are too many.
        """
        taken: dict[Channel, bool | None] = {}
        for channel in channels:
            if self._admit(channel):
                self._users[channel].watchers[watcher] = None
                taken[channel] = None
        if taken:
            self._watchers[watcher] = _Watcher(taken)
            self._stir(watcher, taken)
        return taken

    def _admit(self, channel: Channel) -> bool:
        """Let a user be watched if there is room, or if it is; tell whether."""
        if channel in self._users:
            return True
        if not self._shares.has_room(channel.app):
            return False
        self._shares.take(channel.app)
        self._users[channel] = _User()
        return True

    def unwatch(self, watcher: W) -> list[Channel]:
        """
        Have a watcher told nothing more.

        Returns:
            The channels of users whom nobody watches any more.
        """
        self._stirred.pop(watcher, None)
        before = self._watchers.pop(watcher, None)
        ended: list[Channel] = []
        for channel in before.told if before else ():
            user = self._users[channel]
            del user.watchers[watcher]
            if not user.watchers:
                del self._users[channel]
                self._shares.give_back(channel.app)
                ended.append(channel)
        return ended

    def is_known(self, channel: Channel) -> bool:
        """Tell whether it is known if a user is online."""
        user = self._users.get(channel)
        return user is not None and user.is_online is not None

    def learn(self, channel: Channel, *, is_online: bool) -> None:
        """Know whether a user is online; one whom nobody watches is forgotten."""
        user = self._users.get(channel)
        if user is not None and user.is_online != is_online:
            user.is_online = is_online
            self._stir_all(channel, user)

    def miss(self, channels: Iterable[Channel]) -> None:
        """Note that it could not be found out whether users are online: nobody waits for that."""
        for channel in channels:
            user = self._users.get(channel)
            if user is not None and user.is_online is None and not user.is_missed:
                user.is_missed = True
                self._stir_all(channel, user)

    def stirred(self) -> Sequence[W]:
        """Take the watchers who may have to be told something."""
        stirred, self._stirred = self._stirred, {}
        return tuple(stirred)

    def news(self, watcher: W) -> News:
        """Take what a watcher must be told."""
        news, found = News([], []), self._watchers.get(watcher)
        if found is None or not self._may_begin(found):
            return news
        stirred, found.stirred = found.stirred, {}
        for channel in stirred:
            is_online = self._users[channel].is_online
            if is_online is not None and is_online != found.told[channel]:
                found.told[channel] = is_online
                (news.online if is_online else news.offline).append(online_user(channel))
        return news

    def _may_begin(self, watcher: _Watcher) -> bool:
        """Tell whether a watcher may be told something: not before it can be told the whole."""
        if not watcher.is_begun:
            users = (self._users[channel] for channel in watcher.told)
            watcher.is_begun = all(user.is_online is not None or user.is_missed for user in users)
        return watcher.is_begun

    def _stir_all(self, channel: Channel, user: _User[W]) -> None:
        for watcher in user.watchers:
            self._stir(watcher, (channel,))

    def _stir(self, watcher: W, channels: Iterable[Channel]) -> None:
        self._watchers[watcher].stirred.update(dict.fromkeys(channels))
        self._stirred[watcher] = None
