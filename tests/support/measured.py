"""
A plug-in of coverage.py: only pure modules are measured, as the contract of that name says.

Shells are tested with what they are shells of, mostly in other processes, where nothing is measured.
"""

from coverage.plugin import CoveragePlugin
from coverage.plugin_support import Plugins
from coverage.types import TConfigurable

from tests.support.purity import pure_modules


class PureModules(CoveragePlugin):
    """Tells coverage.py what to measure."""

    def configure(self, config: TConfigurable) -> None:
        """Name the files."""
        config.set_option("run:include", [module.as_posix() for module in pure_modules()])


def coverage_init(reg: Plugins, _: object) -> None:
    """Be found by coverage.py."""
    reg.add_configurer(PureModules())
