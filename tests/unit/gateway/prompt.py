"""A session whose users' own channels are followed here already: it is let into them at once."""

from libs.common.channels import USER_PREFIX
from services.gateway.protocol.effects import Ask, Effect
from services.gateway.session.session import Session


class PromptSession(Session):
    """A session that answers what it asks about users' own channels, as its gateway would."""

    __slots__ = ()

    def received(self, text: bytes | str, now: float) -> list[Effect]:
        return self._answered(super().received(text, now))

    def informed(self, now: float) -> list[Effect]:
        return self._answered(super().informed(now))

    def _answered(self, effects: list[Effect]) -> list[Effect]:
        answered: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Ask) and effect.channel.startswith(USER_PREFIX):
                answered += self.admitted(effect.channel, None)
            else:
                answered.append(effect)
        return answered
