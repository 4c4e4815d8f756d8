"""
The tree of the source as a page: every module, with the first sentence of what it says of itself.

``python -m tests.support.documents.tree`` prints docs/tree.md; `make docs` writes it, and a test holds it.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
TOPS = ("libs/common", "services")
MARK = "P"

_HEAD = f"""\
# The tree

Every module, with the first sentence of what it says of itself. `{MARK}` marks those that `make check` keeps pure: no I/O,
no `asyncio`, no logging, not even through others. [architecture.md](architecture.md) tells what the rooms are for, and
which way the arrows run. `make docs` writes this page.

```
"""
_SENTENCE = re.compile(r"(.+?)[.:]?(?=(?<=[.])\s|\Z)", re.DOTALL)
_COMMENTS = re.compile(r"(?:#!.*\n)?((?:--.*\n)+)")
_DASHES = re.compile(r"^--+ ?", re.MULTILINE)


def page(root: Path = ROOT) -> str:
    """Compose docs/tree.md."""
    pure = _pure(root)
    lines = [line for top in TOPS for line in (f"{top}/", *_folder(root, root / top, pure), "")]
    return f"{_HEAD}{chr(10).join(lines[:-1])}\n```\n"


def modules(folder: Path) -> list[Path]:
    """List what a folder itself holds: modules and scripts, by name; an empty ``__init__.py`` is none."""
    found = [*folder.glob("*.py"), *folder.glob("*.lua"), *folder.glob("*.sql")]
    return sorted(path for path in found if path.read_text(encoding="utf-8"))


def first_sentence(path: Path) -> str:
    """Read the first sentence of a module's docstring, or of the comment at the top of a script."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        said = ast.get_docstring(ast.parse(text)) or ""
    else:
        comments = _COMMENTS.match(text)
        said = _DASHES.sub("", comments[1]) if comments else ""
    sentence = _SENTENCE.match(said.strip().split("\n\n")[0])
    return " ".join(sentence[1].split()).rstrip(".") if sentence else ""


def _folder(root: Path, folder: Path, pure: Sequence[str], *, indent: str = "  ") -> Iterator[str]:
    for path in modules(folder):
        mark = MARK if _is_pure(root, path, pure) else ""
        yield f"{indent + path.name:<32}{mark:<2}{first_sentence(path)}".rstrip()
    for inner in sorted(each for each in folder.iterdir() if each.is_dir()):
        if modules(inner):
            yield f"{indent}{inner.name}/"
            yield from _folder(root, inner, pure, indent=f"{indent}  ")


def _pure(root: Path) -> list[str]:
    """Name the packages and modules that are kept pure."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (pure,) = (each for each in contracts if each["id"] == "pure")
    return [*pure["source_modules"]]


def _is_pure(root: Path, path: Path, pure: Sequence[str]) -> bool:
    if path.suffix != ".py":
        return False
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    return any(name == each or name.startswith(f"{each}.") for each in pure)


if __name__ == "__main__":
    sys.stdout.write(page())
