"""The command `tapeless`.

Exit status: 0 for success, 1 for a check that failed, 2 for bad input. Messages go to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from tapeless.errors import ArgumentError, CacheError, DerivativeError, TapelessError
from tapeless.kinds import TOGETHER

if TYPE_CHECKING:
    from tapeless.bench.report import Report
    from tapeless.function import Function
    from tapeless.ir.program import Program
    from tapeless.runtime.cache import CacheInfo

# sympy, jinja2 and rich are imported within the commands that need them: `tapeless --version` should not wait.

_BAD_INPUT: Final = 2
_INTERRUPTED: Final = 130
_IN_WORDS: Final = {"forward_backward": "both in one pass"}
_F = TypeVar("_F", bound=Callable[..., Any])


class _Failure(click.ClickException):
    """A message for standard error and exit status 2."""

    exit_code = _BAD_INPUT


class _Command(click.Command):
    """A command whose formula may begin with a minus sign, which looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = (
                f"A formula that begins with a minus sign goes behind --, as in: {ctx.command_path} -- '-x'"
            )
            raise click.UsageError(f"{error.format_message()}\n{hint}", ctx) from None


class _Group(click.Group):
    """Turns errors into messages."""

    command_class = _Command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_INTERRUPTED) from None
        except Exception as error:
            root = ctx.find_root()
            if root.params.get("traceback"):
                import traceback

                click.echo(traceback.format_exc(), err=True, nl=False)
            raise _Failure(_message(error, root.invoked_subcommand)) from error


def _message(error: Exception, subcommand: str | None) -> str:
    if isinstance(error, CacheError):  # in the words of this command
        text = str(error)
        if subcommand not in ("compile", "check", "report"):
            text = text.replace(", or pass cache=False", "")
        return text.replace("cache=False", "--no-cache")
    if isinstance(error, TapelessError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror or error}"
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, RecursionError):
        return "the formula is nested too deeply to be printed; `tapeless compile` can take it"
    return f"unexpected {type(error).__name__}: {error} (`tapeless --traceback ...` shows where)"


def _show_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from tapeless import __version__

    click.echo(f"tapeless {__version__}")
    ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Print the version.",
)
@click.option("--traceback", is_flag=True, help="Show the Python traceback of an error.")
def command(traceback: bool) -> None:
    """Write the forward formula. Get the backward in C. Gradients without a tape.

    FORMULA is a text such as "line(w, x, b) = w*x + b" or just "w*x + b"; @FILE reads it from a file and
    - from standard input.
    """


def main() -> None:
    """Run the command `tapeless` and exit."""
    for stream in (sys.stdout, sys.stderr):
        # Names in a formula may be of any alphabet, and the terminal's encoding need not hold them.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    command(prog_name="tapeless")


# ---------------------------------------------------------------- what the commands share


def _names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Split "w,x,b" into names."""
    if value is None:
        return None
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _formula(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Fetch a formula from a file or from standard input."""
    if value == "-":
        return _decoded(sys.stdin.buffer.read(), "standard input")
    if value is not None and value.startswith("@"):
        return _read(value[1:])
    return value


def _read(path: str) -> str:
    if not path:
        raise _Failure("@ needs the name of a file, as in @formula.txt")
    return _decoded(Path(path).read_bytes(), path)


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Failure(f"{where} is not text in UTF-8 (byte {error.start})") from None


def _file(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    return None if value is None else _read(value)


_SHARED: Final[Sequence[Callable[[Any], Any]]] = (
    click.argument("formula", required=False, callback=_formula),
    click.option("--file", "from_file", metavar="FILE", callback=_file, help="Read the formula from FILE."),
    click.option("--name", metavar="NAME", help="Name of the function."),
    click.option("--inputs", metavar="A,B,...", callback=_names, help="The inputs in order."),
    click.option("--wrt", metavar="A,B,...", callback=_names, help="Differentiate by these inputs alone."),
)
_BUILDING: Final[Sequence[Callable[[Any], Any]]] = (
    click.option(
        "--dtype",
        type=click.Choice(["float64", "float32"]),
        default="float64",
        show_default=True,
        help="Compute in this type.",
    ),
    click.option(
        "--cc", metavar="COMPILER", help="The C compiler; default TAPELESS_CC, then cc, gcc, clang."
    ),
    click.option(
        "--no-cache",
        "cache",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Neither look for compiled code in the cache nor keep it there.",
    ),
)


_SIGNS: Final = ("real", "positive", "nonnegative", "negative", "nonpositive")


def _assumed(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str | tuple[float, float]]:
    """Read "x=positive" and "x=0.1:3"."""
    found: dict[str, str | tuple[float, float]] = {}
    for value in values:
        name, _, what = value.partition("=")
        if what.strip() in _SIGNS and name.strip():
            found[name.strip()] = what.strip()
            continue
        low, _, high = what.partition(":")
        try:
            found[name.strip()] = float(low), float(high)
        except ValueError:
            raise click.BadParameter(f"{value!r} is not of the form x=positive or x=0.1:3") from None
    return found


_SEARCHING: Final[Sequence[Callable[[Any], Any]]] = (
    click.option(
        "--accuracy",
        type=click.Choice(["search"]),
        help="Search for sums that cancel and for better ways to compute them, and report on it.",
    ),
    click.option(
        "--assume",
        "assume",
        multiple=True,
        metavar="X=SIGN|LOW:HIGH",
        callback=_assumed,
        help="What is known of an input, as in x=positive or x=0.1:3; may be repeated.",
    ),
)


def _with(options: Sequence[Callable[[Any], Any]]) -> Callable[[_F], _F]:
    def decorate(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _one(formula: str | None, from_file: str | None) -> str:
    """Return the one formula that was given."""
    if (formula is None) == (from_file is None):
        raise click.UsageError("give one formula: as text, as @FILE, as - for standard input, or with --file")
    return formula if formula is not None else str(from_file)


# ---------------------------------------------------------------- compile, derive, check


@command.command("compile")
@_with(_SHARED)
@_with(_BUILDING)
@_with(_SEARCHING)
@click.option(
    "-o", "--output", metavar="DIR", help="Write C source, header, library and Python module there."
)
def compile_command(
    *,
    formula: str | None,
    from_file: str | None,
    name: str | None,
    inputs: tuple[str, ...] | None,
    wrt: tuple[str, ...] | None,
    dtype: str,
    cc: str | None,
    cache: bool,
    accuracy: str | None,
    assume: dict[str, str | tuple[float, float]],
    output: str | None,
) -> None:
    """Compile FORMULA: into the cache, or with -o into a folder of files that need no tapeless."""
    import tapeless

    if output == "-":
        raise click.UsageError("-o writes several files and needs a folder, not standard output")
    function: Function = tapeless.compile(
        _one(formula, from_file),
        name=name,
        inputs=inputs,
        wrt=wrt,
        dtype=dtype,
        assume=assume,
        accuracy=accuracy,
        cc=cc,
        cache=cache,
    )
    if output is None:
        _show_compiled(function)
    else:
        _show_exported(function, function.export(output))
    if accuracy is not None:
        click.echo(f"\n{function.accuracy_report}")


def _show_compiled(function: Function) -> None:
    click.echo(f"{_head(function.program)}, {function.dtype}, {function.signature}\n")
    try:
        _show_formulas(function.program, function.wrt)
    except DerivativeError as error:
        click.echo(f"\nbackward\n  none: {error}")
    click.echo("\noperations per point")
    _show_table([(f"  {kind}", *_operations(function, kind)) for kind in TOGETHER])


def _operations(function: Function, kind: str) -> tuple[str, str]:
    """Return their number and what they are; where C lacks a function, what it is."""
    try:
        counts = function.op_counts(kind)
    except DerivativeError as error:
        return "none", str(error).partition(". ")[0]
    detail = ", ".join(f"{count} {name}" for name, count in counts.items() if name != "total" and count)
    return f"{counts['total']:>4}", f"({detail})" if detail else ""


def _show_exported(function: Function, folder: Path) -> None:
    from tapeless.export import files_of

    names = files_of(function.name)
    header = (folder / names.header).read_text(encoding="utf-8")
    stem = names.source.removesuffix(".c")
    kinds = [kind for kind in TOGETHER if f"{stem}_{kind}(" in header]
    files = (
        (names.source, "plain C11: " + ", ".join(_IN_WORDS.get(kind, kind) for kind in kinds)),
        (names.header, "its header"),
        (names.library, "the library, built for this machine"),
        (names.python, "loads the library; needs numpy and cffi alone"),
    )
    click.echo(f"{_head(function.program)}, written to {folder}")
    _show_table([(f"  {name}", _size((folder / name).stat().st_size), what) for name, what in files])
    for kind in TOGETHER:
        if kind not in kinds:
            click.echo(f"  without {_IN_WORDS.get(kind, kind)}: {_operations(function, kind)[1]}")


@command.command()
@_with(_SHARED)
@_with(_SEARCHING)
@click.option("--latex", is_flag=True, help="Print LaTeX.")
def derive(
    *,
    formula: str | None,
    from_file: str | None,
    name: str | None,
    inputs: tuple[str, ...] | None,
    wrt: tuple[str, ...] | None,
    accuracy: str | None,
    assume: dict[str, str | tuple[float, float]],
    latex: bool,
) -> None:
    """Print the forward and the backward formulas of FORMULA. Needs no C compiler."""
    program = _program(_one(formula, from_file), name, inputs)
    wanted = _differentiated(program, wrt)
    ranges = _known_ranges(program, assume)
    if latex:
        click.echo(_latex(program, wanted))
        return
    click.echo(f"{_head(program)}\n")
    _show_formulas(program, wanted)
    if accuracy is not None:
        _show_search(program, wanted, ranges)


def _known_ranges(
    program: Program, assume: Mapping[str, str | tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """Return what is assumed, read; refused before anything is printed."""
    from tapeless.options import read_options

    known = program.input_names()
    ranges = dict(read_options(assume=assume).assume)
    for name in ranges:
        if name not in known:
            raise ArgumentError(
                f"--assume names {name!r}; the inputs of {program.name} are {', '.join(known)}"
            )
    return ranges


def _show_search(program: Program, wrt: Sequence[str], ranges: Mapping[str, tuple[float, float]]) -> None:
    """Print what a search for accuracy finds in value and backward."""
    from tapeless.accuracy.report import AccuracyReport
    from tapeless.accuracy.search import search
    from tapeless.kinds import derive as derivative

    dtype = "float64"
    found = [
        search(derivative(program, kind, wrt), kind, by, ranges, dtype).report
        for kind, by in (("forward", ()), ("backward", tuple(wrt)))
    ]
    click.echo(f"\n{AccuracyReport(program.name, dtype, tuple(found))}")


def _program(text: str, name: str | None, inputs: tuple[str, ...] | None) -> Program:
    from tapeless.api import read

    return read(text, name=name, inputs=inputs)


def _differentiated(program: Program, wrt: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the inputs to differentiate by."""
    from tapeless.options import names_of

    known = program.input_names()
    for name in names_of(wrt, "--wrt") if wrt is not None else ():
        if name not in known:
            raise ArgumentError(f"--wrt names {name!r}; the inputs of {program.name} are {', '.join(known)}")
    return wrt or tuple(known)


def _head(program: Program) -> str:
    outputs = ", ".join(output.name for output in program.outputs)
    return f"{program.name}({', '.join(program.input_names())}) -> {outputs}"


def _backward(program: Program, wrt: Sequence[str]) -> Program:
    from tapeless.kinds import derive as derivative

    return derivative(program, "backward", wrt)


def _show_formulas(program: Program, wrt: Sequence[str]) -> None:
    from tapeless.targets.formulas import formulas

    click.echo("forward")
    _show_equations(formulas(program))
    derived = _backward(program, wrt)
    cotangents = ", ".join(item.name for item in derived.inputs if item.role == "cotangent")
    click.echo(f"\nbackward, from {cotangents}")
    _show_equations(formulas(derived))


def _show_equations(equations: Mapping[str, Any]) -> None:
    width = max(map(len, equations))
    for name, expression in equations.items():
        click.echo(f"  {name.ljust(width)} = {expression}")


def _latex(program: Program, wrt: Sequence[str]) -> str:
    """Return an aligned block; a cotangent is a bar over its variable."""
    import sympy

    from tapeless.targets.formulas import formulas, symbols_of

    derived = _backward(program, wrt)
    bars = {
        symbol: rf"\bar{{{sympy.latex(sympy.Symbol(item.like))}}}"
        for item in derived.inputs
        if item.role == "cotangent" and not item.shape
        for symbol in symbols_of(item)
    }
    forward = formulas(program).items()
    backward = zip(wrt, formulas(derived).values(), strict=True)
    rows = [
        *((sympy.latex(sympy.Symbol(name)), sympy.latex(expression)) for name, expression in forward),
        *(
            (rf"\bar{{{sympy.latex(sympy.Symbol(name))}}}", sympy.latex(expression, symbol_names=bars))
            for name, expression in backward
        ),
    ]
    body = " \\\\\n".join(f"  {left} &= {right}" for left, right in rows)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _ranges(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> dict[str, tuple[float, float]]:
    """Read "x=0.1:3"."""
    found = {}
    for value in values:
        name, _, ends = value.partition("=")
        low, _, high = ends.partition(":")
        try:
            pair = float(low), float(high)
        except ValueError:
            raise click.BadParameter(f"{value!r} is not of the form x=0.1:3") from None
        if not name.strip() or not pair[0] < pair[1]:
            raise click.BadParameter(f"{value!r} needs a name and two numbers, the lower one first")
        found[name.strip()] = pair
    return found


@command.command()
@_with(_SHARED)
@_with(_BUILDING)
@_with(_SEARCHING)
@click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="X=LOW:HIGH",
    callback=_ranges,
    help="Draw the points of an input from this range; may be repeated.",
)
@click.option("--points", type=click.IntRange(min=1), default=32, show_default=True, help="How many points.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the points drawn.")
@click.pass_context
def check(
    ctx: click.Context,
    *,
    formula: str | None,
    from_file: str | None,
    name: str | None,
    inputs: tuple[str, ...] | None,
    wrt: tuple[str, ...] | None,
    dtype: str,
    cc: str | None,
    cache: bool,
    accuracy: str | None,
    assume: dict[str, str | tuple[float, float]],
    ranges: dict[str, tuple[float, float]],
    points: int,
    seed: int,
) -> None:
    """Compare FORMULA, forward and backward, with mpmath and with numerical gradients; say where it has kinks.

    Exits with 1 where the comparison fails. A derivative that needs a function C does not have is noted
    and not counted.
    """
    import tapeless

    function: Function = tapeless.compile(
        _one(formula, from_file),
        name=name,
        inputs=inputs,
        wrt=wrt,
        dtype=dtype,
        assume=assume,
        accuracy=accuracy,
        cc=cc,
        cache=cache,
    )
    _check_ranges(function, ranges)
    try:
        checked = function.check(points=points, ranges=ranges, seed=seed)
    except ArgumentError as error:
        raise _nowhere(function, error) from None
    click.echo(str(checked))
    singular = function.singularities()
    if singular:
        click.echo(f"\nnot differentiable:\n{singular}")
    if accuracy is not None:
        click.echo(f"\n{function.accuracy_report}")
    if not checked.ok:
        ctx.exit(1)


# ---------------------------------------------------------------- report


@command.command()
@_with(_SHARED)
@_with(_BUILDING)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="report.html",
    show_default=True,
    help="Write the page there; - for standard output.",
)
@click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="X=LOW:HIGH",
    callback=_ranges,
    help="Check and draw an input over this range; may be repeated.",
)
@click.option(
    "--points", type=click.IntRange(min=1), default=32, show_default=True, help="How many points to check."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the points drawn.")
@click.option("--bench", is_flag=True, help="Time calls as well.")
@click.pass_context
def report(
    ctx: click.Context,
    *,
    formula: str | None,
    from_file: str | None,
    name: str | None,
    inputs: tuple[str, ...] | None,
    wrt: tuple[str, ...] | None,
    dtype: str,
    cc: str | None,
    cache: bool,
    output: str,
    ranges: dict[str, tuple[float, float]],
    points: int,
    seed: int,
    bench: bool,
) -> None:
    """Write a page about FORMULA: formulas, graph, check, curves, costs, source.

    The page is one file that asks for nothing from elsewhere. Exits with 1 where the check fails; the page is written
    all the same.
    """
    import tapeless
    from tapeless.report import Report

    function: Function = tapeless.compile(
        _one(formula, from_file), name=name, inputs=inputs, wrt=wrt, dtype=dtype, cc=cc, cache=cache
    )
    _check_ranges(function, ranges)
    try:
        found = Report(function, ranges=ranges, points=points, seed=seed, bench=bench)
    except ArgumentError as error:
        raise _nowhere(function, error) from None
    if output == "-":
        click.echo(found.html.encode("utf-8"), nl=False)
    else:
        Path(output).write_text(found.html, encoding="utf-8")
        click.echo(f"{function.name}: {found.check.summary}, written to {output}")
    if not found.check.ok:
        ctx.exit(1)


def _check_ranges(function: Function, ranges: Mapping[str, tuple[float, float]]) -> None:
    for unknown in ranges.keys() - set(function.input_names):
        known = ", ".join(function.input_names)
        raise ArgumentError(f"--range names {unknown!r}; the inputs of {function.name} are {known}")


def _nowhere(function: Function, error: ArgumentError) -> ArgumentError:
    """Say that no point of the domain was found; here the remedy is an option."""
    what = str(error).partition(";")[0]
    return ArgumentError(f"{what}; say where to look with --range {function.input_names[0]}=LOW:HIGH")


# ---------------------------------------------------------------- bench


def _sizes(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Read "1,100,1e4"."""
    if value is None:
        return None
    found = []
    for part in value.split(","):
        try:
            number = float(part)
        except ValueError:
            number = 0.0
        if not 1 <= number < 1e12 or number != int(number):
            raise click.BadParameter(f"{part.strip()!r} is no number of elements; write as in 1,100,1e4,1e6")
        found.append(int(number))
    return tuple(found)


@command.command()
@_with(_SHARED)
@_with(_BUILDING)
@click.option(
    "--sizes", metavar="N,N,...", callback=_sizes, help="Numbers of elements; default 1,100,1e4,1e6,1e7."
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Threads, and cores, that each way may use.",
)
@click.option(
    "--peers",
    default="all",
    show_default=True,
    metavar="all|none|A,B,...",
    help="What to time beside it: numpy, numexpr, numba, jax, torch, torch.compile, heyoka; all that are installed.",
)
@click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="X=LOW:HIGH",
    callback=_ranges,
    help="Draw the values of an input from this range; may be repeated.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the values drawn.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="For all timings together, roughly; getting peers ready comes on top.",
)
@click.option(
    "--plot", metavar="FILE", help="Draw throughput over size (.png, .svg, .pdf); needs matplotlib."
)
@click.option("--json", "json_path", metavar="FILE", help="Write the numbers.")
def bench(
    *,
    formula: str | None,
    from_file: str | None,
    name: str | None,
    inputs: tuple[str, ...] | None,
    wrt: tuple[str, ...] | None,
    dtype: str,
    cc: str | None,
    cache: bool,
    sizes: tuple[int, ...] | None,
    threads: int,
    peers: str,
    ranges: dict[str, tuple[float, float]],
    seed: int,
    seconds: float,
    plot: str | None,
    json_path: str | None,
) -> None:
    """Time FORMULA, forward, backward and fused, beside the bandwidth of memory and beside peers.

    A table of nanoseconds per element goes to standard output. What a time means, and what disturbs it, is told
    in the guide, docs/guide/speed.md.
    """
    import tapeless
    from tapeless.bench import session
    from tapeless.bench.peers.registry import choose
    from tapeless.bench.plot import require_matplotlib

    if plot is not None:
        require_matplotlib()
    wanted, absent = choose(peers if peers in ("all", "none") else _names_of(peers))
    function: Function = tapeless.compile(
        _one(formula, from_file),
        name=name,
        inputs=inputs,
        wrt=wrt,
        dtype=dtype,
        threads=threads,
        cc=cc,
        cache=cache,
    )
    settings = session.Settings(
        sizes=sizes or session.SIZES,
        threads=threads,
        seconds=seconds,
        peers=wanted,
        patient=peers != "all",
        absent=absent,
        ranges=ranges,
        seed=seed,
        cc=cc,
    )
    _show_report(session.run(function, settings), plot, json_path)


def _names_of(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise click.UsageError("--peers takes all, none, or names such as numpy,numba")
    return names


def _show_report(report: Report, plot_path: str | None, json_path: str | None) -> None:
    import json

    from rich.console import Console

    from tapeless.bench.plot import plot
    from tapeless.bench.table import show

    show(report, Console(highlight=False))
    if json_path is not None:
        Path(json_path).write_text(json.dumps(report.to_json(), indent=1) + "\n", encoding="utf-8")
    if plot_path is not None:
        plot(report, plot_path)


# ---------------------------------------------------------------- demo, doctor, cache


@command.command()
def demo() -> None:
    """Show the main job on real input: a line, gelu, Black-Scholes with its Greeks, a fit to certified data."""
    from tapeless.demo import run

    run()


@command.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Say what is there and what to do: compiler, flags, cache, packages. Exits with 1 where nothing can be built."""
    from tapeless.doctor import examine, render

    findings = examine()
    click.echo(render(findings))
    if any(finding.fatal for finding in findings):
        ctx.exit(1)


@command.group()
def cache() -> None:
    """The cache of compiled libraries."""


@cache.command()
def info() -> None:
    """Say where the cache is and how large."""
    from tapeless.runtime.cache import Cache

    state = Cache().info()
    _show_table(_cache_rows(state))


def _cache_rows(state: CacheInfo) -> list[tuple[str, ...]]:
    return [
        ("directory", state.path),
        ("libraries", str(state.entries)),
        ("size", f"{_size(state.bytes).strip()} of {_size(state.limit).strip()}"),
    ]


@cache.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(yes: bool) -> None:
    """Remove all compiled libraries."""
    from tapeless.runtime.cache import Cache

    found = Cache()
    state = found.info()
    if not state.bytes:
        click.echo(f"{state.path} is empty")
    elif yes or _agreed(
        f"Remove {state.entries} libraries, {_size(state.bytes).strip()}, from {state.path}?"
    ):
        click.echo(f"removed {_size(found.clear()).strip()} from {state.path}")
    else:
        click.echo("nothing was removed")


def _agreed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # standard input is at its end: nobody is there to answer
        raise _Failure("nothing was removed; --yes removes without asking") from None


# ---------------------------------------------------------------- layout


def _show_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _size(count: int) -> str:
    """Return a number of bytes for people, right-aligned."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:6.0f} {unit}" if unit == "B" else f"{amount:6.1f} {unit}"
