"""How a service is, asked of it directly."""

from libs.common.web.health import Dependent, state_of


async def health_of(service: Dependent) -> dict[str, str]:
    """Check all that a service uses: a name, and ``ok`` or what is wrong."""
    return {each.name: await state_of(each.check) for each in service.dependencies()}
