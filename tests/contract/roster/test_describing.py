"""What is said of a member changes while it stays; on memory and on Redis."""

from libs.common.roster.device import OTHERS
from libs.common.roster.port import JoinRequest
from tests.support.ports.rosters import CHANNEL, Deployment, Ear, read, request, seated

AWAY = '{"activity":"away"}'


def ann(*, info: str = "{}", gateway: str = "g1", user: str = "ann") -> JoinRequest:
    return request(CHANNEL, user, socket_id="1.1", gateway=gateway, info=info)


class TestDescribe:
    """`Roster.describe`."""

    async def test_told_to_readers(self, site: Deployment, ear: Ear) -> None:
        """Who reads the members finds it; it is no transition, and nobody is told."""
        (before,) = await seated(site.roster, ann())
        await ear.heard()

        await site.roster.describe([ann(info=AWAY)])

        after = await read(site)
        assert (after.version, after.infos) == (before.version, {"ann": AWAY})
        assert await ear.heard() == []

    async def test_kept(self, site: Deployment) -> None:
        """It stays when the user comes with another connection, and goes with the user."""
        await seated(site.roster, ann())
        await site.roster.describe([ann(info=AWAY)])

        second = request(CHANNEL, "ann", socket_id="2.2")
        (members,) = await seated(site.roster, second)
        assert members.infos == {"ann": AWAY}

        await site.roster.leave([ann().seat, second.seat], grace=0)
        assert (await read(site)).infos == {}

    async def test_any_name(self, site: Deployment, ear: Ear) -> None:
        """The member that stands for many devices has a name that no client can give, and is kept."""
        (members,) = await seated(site.roster, ann(user=OTHERS))
        await site.roster.describe([ann(info=AWAY, user=OTHERS)])

        assert members.infos == {OTHERS: "{}"}
        assert (await read(site)).infos == {OTHERS: AWAY}
        assert [each.user_id for each in await ear.heard()] == [OTHERS]
        await site.roster.leave([ann().seat], grace=0)
        assert (await read(site)).infos == {}

    async def test_not_there(self, site: Deployment) -> None:
        """Of who has left, sits elsewhere, or is another user by now, nothing is changed."""
        await site.roster.describe([ann(info=AWAY)])
        assert (await read(site)).infos == {}

        await seated(site.roster, ann(gateway="g2"))
        await site.roster.describe([ann(info=AWAY), ann(info=AWAY, gateway="g2", user="bob")])
        assert (await read(site)).infos == {"ann": "{}"}
