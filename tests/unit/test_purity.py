"""Every pure module has tests of its own, where its place says."""

from pathlib import Path

import pytest

from tests.support.purity import ROOT, pure_modules

UNIT = ROOT / "tests" / "unit"
MODULES = pure_modules()


@pytest.mark.parametrize("module", MODULES, ids=[module.as_posix() for module in MODULES])
def test_has_tests(module: Path) -> None:
    """
    ``libs/common/config/secret.py`` has ``tests/unit/common/config/test_secret.py``, or several that begin so.
    """
    place = UNIT.joinpath(*module.parent.parts[1:])

    assert [*place.glob(f"test_{module.stem}.py"), *place.glob(f"test_{module.stem}_*.py")]
