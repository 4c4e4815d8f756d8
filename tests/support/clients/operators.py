"""Who sits at the command line: runs ``fanfare apps``, and reads what it says."""

from collections.abc import Mapping
from pathlib import Path

from libs.common.config.secret import Secret
from tests.support.deployments.commands import Outcome, command


class Operator:
    """
    Who sits at the command line.

    Args:
        config: The settings.
        environ: Settings over those of the file.
    """

    def __init__(self, config: Path, environ: Mapping[str, str]) -> None:
        self.config = config
        self.environ = dict(environ)

    async def apps(self, *words: str) -> Outcome:
        """Run ``fanfare apps``, and wait for its end."""
        return await command("apps", *words, config=self.config, environ=self.environ)

    async def done(self, *words: str) -> Outcome:
        """Run it, and see that it was done."""
        outcome = await self.apps(*words)
        assert outcome.status == 0, outcome
        return outcome

    async def failed(self, *words: str) -> tuple[int, str]:
        """Run it, and return the status and the one line in which it said what is wrong."""
        outcome = await self.apps(*words)
        assert outcome.output == ""
        (line,) = outcome.complaint.splitlines()
        assert line.startswith("fanfare: ")
        assert "hush" not in line
        return outcome.status, line.removeprefix("fanfare: ")


def secret_of(outcome: Outcome) -> Secret:
    """Return the secret that a command has shown."""
    return Secret(outcome.variables["PUSHER_APP_SECRET"])
