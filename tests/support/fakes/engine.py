"""
A stand-in for the program ``docker`` of a machine that has no engine: it keeps containers in a file, and runs none.

It takes the commands that deploy/roll.sh gives, word for word, and refuses all others, with status 64.
"""

import json
import sys
from pathlib import Path
from typing import Any

STATE = "{{if .State.Running}}{{.State.Health.Status}}{{else}}ended{{end}}"
STATUS = "{{.State.ExitCode}}"
UP = ("compose", "up", "--detach", "--no-deps", "--no-build", "--no-recreate", "--scale")


class Engine:
    """
    The containers, and what becomes of them.

    Args:
        state: ``containers`` by their ids, what was ``asked``, the services whose new containers are ``sick`` or
            ``refused``, and the ``status`` with which containers end.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        self._containers: dict[str, dict[str, Any]] = state["containers"]

    def run(self, *words: str) -> int:
        """Do a command, and return its exit status."""
        match words:
            case ("compose", "ps", *options, "--quiet", service) if options in ([], ["--all"]):
                names = self._running(service) if not options else self._all(service)
                sys.stdout.write("".join(f"{name}\n" for name in names))
            case (*up, scale, service) if tuple(up) == UP and scale.startswith(f"{service}="):
                return self._scale(service, int(scale.partition("=")[2]))
            case ("inspect", "--format", form, name):
                return self._inspect(form, name)
            case ("stop", name):
                self._containers[name] |= {"health": "ended", "status": self._state["status"]}
            case ("rm", *_, name) if words[1:-1] in {(), ("--force",)}:
                del self._containers[name]
            case ("logs", "--tail", "20", name):
                sys.stderr.write(f"the log of {name}\n")
            case _:
                sys.stderr.write(f"docker: no such command here: {words}\n")
                return 64
        return 0

    def _all(self, service: str) -> list[str]:
        return [name for name, each in self._containers.items() if each["service"] == service]

    def _running(self, service: str) -> list[str]:
        return [name for name in self._all(service) if self._containers[name]["health"] != "ended"]

    def _scale(self, service: str, number: int) -> int:
        if service in self._state["refused"]:
            return 1
        for name in self._all(service):  # As Compose does with those that have ended.
            if self._containers[name]["health"] == "ended":
                self._containers[name]["health"] = "starting"
        for _ in range(number - len(self._all(service))):
            self._state["made"] += 1
            name = f"{self._state['made']:012x}"
            health = "unhealthy" if service in self._state["sick"] else "starting"
            self._containers[name] = {"service": service, "health": health, "new": True}
        return 0

    def _inspect(self, form: str, name: str) -> int:
        """Tell a state; one that is starting is healthy when it is asked again."""
        container = self._containers[name]
        told = {STATE: container["health"], STATUS: container.get("status", 0)}[form]
        sys.stdout.write(f"{told}\n")
        if container["health"] == "starting":
            container["health"] = "healthy"
        return 0


def main(file: Path, *words: str) -> int:
    """Do a command on the state that a file keeps, and note it there with how many of each service are healthy."""
    state = json.loads(file.read_text())
    status = Engine(state).run(*words)
    healthy = [
        container["service"]
        for container in state["containers"].values()
        if container["health"] == "healthy"
    ]
    state["asked"].append(
        {"words": words, "healthy": {name: healthy.count(name) for name in healthy}}
    )
    file.write_text(json.dumps(state))
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
