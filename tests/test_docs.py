"""The examples of README.md and docs/guide/*.md, run as they stand.

The convention, by the info string of a fenced block:

``python``
    Run in order, one namespace per file, in a temporary folder of the file's own.
``text`` right after a ``python`` block
    What that block prints, line by line; ``...`` stands for anything, also over several lines. A block that
    prints must be followed by what it prints.
``console``
    Lines that start with ``$ `` are run by bash in the same folder, with this environment's commands first on
    the path, and must succeed; the lines below each are what it prints.
``c main.c`` or any other language with a file name
    Written to that file in the same folder.
``python no-run``, ``console no-run``
    Left alone. For what needs a host that no test environment has, and for nothing else.
``python needs-torch``
    Left alone where torch is not installed; likewise for any other package. A page with the line
    ``<!-- needs: torch -->`` is skipped as a whole there.

Everything else is left alone. A failing example is reported by file and line. With ``--update-golden`` the
printed lines that differ are written into the files.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import linecache
import os
import re
import subprocess
import sys
import traceback
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]

_NEEDS = re.compile(r"^<!-- needs: (?P<names>[\w ]+) -->$", re.MULTILINE)
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^`]*)$")


@dataclass
class Block:
    """A fenced block: its info string, the number of its first line of text (from 1), and its lines."""

    info: list[str]
    line: int
    lines: list[str] = field(default_factory=list)

    @property
    def language(self) -> str:
        return self.info[0] if self.info else ""

    @property
    def skipped(self) -> bool:
        needed = [word.removeprefix("needs-") for word in self.info if word.startswith("needs-")]
        return "no-run" in self.info or not all(map(is_installed, needed))

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


@dataclass(frozen=True)
class Printed:
    """What an example printed beside what the page shows, from its line `start` on."""

    start: int
    shown: list[str]
    actual: list[str]


class ExampleError(AssertionError):
    """An example that does not do what its page says."""


def is_installed(name: str) -> bool:
    """Whether a package can be imported, which is not done here."""
    return importlib.util.find_spec(name) is not None


def missing(text: str) -> list[str]:
    """Return the packages that a page needs and that are not installed."""
    return [
        name for match in _NEEDS.finditer(text) for name in match["names"].split() if not is_installed(name)
    ]


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    block, opening = None, ""
    for number, line in enumerate(text.splitlines(), start=1):
        match = _FENCE.match(line)
        if block is None:
            if match:
                block, opening = Block(match["info"].split(), number + 1), match["indent"] + match["ticks"]
        elif line.rstrip() == opening:
            yield block
            block = None
        else:
            block.lines.append(line.removeprefix(" " * (len(opening) - len(opening.lstrip()))))
    if block is not None:
        raise ExampleError(f"a fenced block is not closed; it opens at line {block.line - 1}")


def matches(shown: list[str], actual: list[str]) -> bool:
    """Compare lines; `...` in what is shown stands for anything."""
    pattern = "\n".join(re.escape(line.rstrip()) for line in shown).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, "\n".join(line.rstrip() for line in actual), re.DOTALL) is not None


class Runner:
    """Runs the examples of one page in the current directory."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = types.ModuleType("__main__")
        self.printed: list[Printed] = []

    def run(self, text: str) -> None:
        """Run all examples of a page; gather what they print in `printed`."""
        linecache.cache[self.name] = (len(text), None, text.splitlines(keepends=True), self.name)
        found = [block for block in blocks(text) if not block.skipped]
        for block, after in itertools.pairwise([*found, None]):
            assert block is not None
            if block.language == "python":
                adjacent = (
                    after is not None and after.language == "text" and self._adjacent(text, block, after)
                )
                self._python(block, after if adjacent else None)
            elif block.language == "console":
                self._console(block)
            elif len(block.info) == 2:
                Path(block.info[1]).write_text(block.text, encoding="utf-8")

    @staticmethod
    def _adjacent(text: str, block: Block, after: Block) -> bool:
        between = text.splitlines()[block.line + len(block.lines) : after.line - 2]
        return not any(line.strip() for line in between)

    def _python(self, block: Block, output: Block | None) -> None:
        stream = io.StringIO()
        try:
            code = compile("\n" * (block.line - 1) + block.text, self.name, "exec")
            with contextlib.redirect_stdout(stream):
                exec(code, self.module.__dict__)
        except Exception as error:
            frames = [
                entry.lineno
                for entry in traceback.extract_tb(error.__traceback__)
                if entry.filename == self.name
            ]
            line = frames[-1] if frames else getattr(error, "lineno", None) or block.line
            raise ExampleError(f"{self.name}:{line}: {type(error).__name__}: {error}") from error
        actual = stream.getvalue().splitlines()
        if output is not None:
            self.printed.append(Printed(output.line, output.lines, actual))
        elif actual:
            text = stream.getvalue()
            raise ExampleError(f"{self.name}:{block.line}: prints, and no text block shows it:\n{text}")

    def _console(self, block: Block) -> None:
        starts = [k for k, line in enumerate(block.lines) if line.startswith("$ ")]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        for start, end in zip(starts, [*starts[1:], len(block.lines)], strict=True):
            done = subprocess.run(
                ["bash", "-c", block.lines[start][2:]],
                env={**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "100"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if done.returncode:
                where = f"{self.name}:{block.line + start}"
                raise ExampleError(f"{where}: exit {done.returncode}\n{done.stdout}{done.stderr}")
            shown = block.lines[start + 1 : end]
            self.printed.append(Printed(block.line + start + 1, shown, done.stdout.splitlines()))


def differences(runner: Runner) -> list[Printed]:
    """Return what was printed and is not what the page shows."""
    return [item for item in runner.printed if not matches(item.shown, item.actual)]


def updated(text: str, changes: list[Printed]) -> str:
    """Return the page with the lines shown replaced by the lines printed."""
    lines = text.splitlines()
    for item in sorted(changes, key=lambda item: item.start, reverse=True):
        first = item.start - 1
        lines[first : first + len(item.shown)] = item.actual
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def jax_as_it_was():
    """Undo what a page says about 64-bit numbers, which JAX keeps for the whole process."""
    known = sys.modules.get("jax")
    before = known.config.jax_enable_x64 if known is not None else False
    try:
        yield
    finally:
        known = sys.modules.get("jax")
        if known is not None:
            known.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples(page, tmp_path, monkeypatch, update_golden):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    text = page.read_text(encoding="utf-8")
    if missing(text):
        pytest.skip(f"needs {', '.join(missing(text))}")
    runner = Runner(str(page.relative_to(ROOT)))
    monkeypatch.setitem(sys.modules, "__main__", runner.module)
    with jax_as_it_was():
        runner.run(text)
    changes = differences(runner)
    if update_golden and changes:
        page.write_text(updated(text, changes), encoding="utf-8")
        return
    for item in changes:
        shown, actual = "\n".join(item.shown), "\n".join(item.actual)
        pytest.fail(f"{runner.name}:{item.start}: shown\n{shown}\nprinted\n{actual}", pytrace=False)


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted((ROOT / "docs" / "decisions").glob("*.md"))], ids=lambda page: page.name
)
def test_links(page):
    """Every relative link leads to a file that is there."""
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


# ---- the runner itself, on pages made for it

_SAMPLE = """\
Words.

```python
x = 2
print(x + 1)
print("then", x)
```

```text
3
th...
```

```c note.c
int one(void) { return 1; }
```

```console
$ cat note.c
int one(void) { return 1; }
$ true
```

```python no-run
import a_host_that_is_not_here
```

- in a list

  ```python
  from pathlib import Path
  assert x == 2 and Path("note.c").exists()
  ```

```sh
exit 1
```
"""


def _run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = Runner("page.md")
    runner.run(text)
    return runner


def test_runner_runs_a_page(tmp_path, monkeypatch):
    runner = _run(_SAMPLE, tmp_path, monkeypatch)
    assert [item.actual for item in runner.printed] == [["3", "then 2"], ["int one(void) { return 1; }"], []]
    assert differences(runner) == []


def test_runner_sees_a_wrong_output_and_can_mend_it(tmp_path, monkeypatch):
    text = _SAMPLE.replace("\n3\nth...\n", "\n4\n").replace("return 1; }\n$", "return 2; }\n$")
    changes = differences(_run(text, tmp_path, monkeypatch))
    assert [(item.start, item.shown) for item in changes] == [
        (10, ["4"]),
        (19, ["int one(void) { return 2; }"]),
    ]
    assert updated(text, changes) == _SAMPLE.replace("th...", "then 2")


def test_what_needs_a_package_that_is_missing_is_left_alone(tmp_path, monkeypatch):
    text = (
        "<!-- needs: numpy no_such_host -->\n\n```python needs-no_such_host\nimport no_such_host\n```\n\n"
        "```text\n1\n```\n\n```python needs-numpy\nimport numpy\nprint(numpy.add(1, 1))\n```\n\n```text\n2\n```\n"
    )
    runner = _run(text, tmp_path, monkeypatch)
    assert [item.actual for item in runner.printed] == [["2"]]
    assert missing(text) == ["no_such_host"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n\n```python\nx = 1\nraise ValueError('no')\n```\n", "page.md:5: ValueError: no"),
        ("```python\nx = = 1\n```\n", "page.md:2: SyntaxError"),
        ("```python\nprint(1)\n```\n", "page.md:2: prints"),
        ("```python\nprint(1)\n```\n\nWords.\n\n```text\n1\n```\n", "page.md:2: prints"),
        ("```console\n$ echo a\na\n$ exit 3\n```\n", "page.md:4: exit 3"),
        ("```python\n", "opens at line 1"),
    ],
)
def test_runner_names_the_line_that_fails(text, message, tmp_path, monkeypatch):
    with pytest.raises(ExampleError, match=re.escape(message)):
        _run(text, tmp_path, monkeypatch)
