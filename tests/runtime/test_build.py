import glob
import multiprocessing
import os
import re
import signal
import tempfile
import time
from pathlib import Path

import pytest

from tapeless.errors import CacheError, CompilerError
from tapeless.runtime import build as build_module
from tapeless.runtime.build import build
from tapeless.runtime.cache import Cache
from tapeless.runtime.compiler import find_compiler
from tapeless.runtime.load import load

SOURCE = """
#include <math.h>
#include <stddef.h>
void twice(ptrdiff_t n, const void *const *in, void *const *out)
{
    const double *x = in[0];
    double *y = out[0];
    for (ptrdiff_t i = 0; i < n; i++) y[i] = 2 * fabs(x[i]);
}
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A place for temporary files, to see that nothing is left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_library_is_built_once(compiler, temporary, monkeypatch):
    first = build(SOURCE, compiler=compiler, cache=Cache())
    assert load(first, ["twice"]).keys() == {"twice"}
    assert list(temporary.iterdir()) == []
    monkeypatch.setattr(build_module, "_run", None)  # no compiler from here on
    assert build(SOURCE, compiler=compiler, cache=Cache()) == first


@pytest.mark.parametrize(
    "change",
    [
        {"source": SOURCE + "\n"},
        {"headers": {"a.h": ""}},
        {"optimize": "-O1"},
        {"extra_flags": ("-DX",)},
        {"stem": "other"},
    ],
)
def test_every_part_of_the_request_counts(compiler, change):
    cache = Cache()
    build(SOURCE, compiler=compiler, cache=cache)
    arguments = {"source": SOURCE, "compiler": compiler, "cache": cache} | change
    build(**arguments)
    assert len([p for p in Path(cache.root, "builds").rglob("*") if p.is_file()]) == 2


def test_another_compiler_is_another_request(compiler, script):
    cache = Cache()
    path = script(f'exec {compiler.argv[0]} "$@"')
    build(SOURCE, compiler=find_compiler(path), cache=cache)
    os.utime(path, (1, 1))  # replaced by another release
    build(SOURCE, compiler=find_compiler(path), cache=cache)
    assert len([p for p in Path(cache.root, "builds").rglob("*") if p.is_file()]) == 2


def test_headers_lie_beside_the_source(compiler):
    source = '#include "factor.h"\n' + SOURCE.replace("2 *", "FACTOR *")
    build(source, headers={"factor.h": "#define FACTOR 3\n"}, compiler=compiler, cache=None)


def test_a_damaged_library_is_rebuilt_in_silence(compiler):
    first = build(SOURCE, compiler=compiler, cache=Cache())
    with open(first.path, "r+b") as file:
        file.truncate(100)
    again = build(SOURCE, compiler=compiler, cache=Cache())
    assert again == first
    assert again.is_intact()


def test_without_a_cache_nothing_is_kept(compiler, tmp_path):
    library = build(SOURCE, compiler=compiler, cache=None)
    assert load(library, ["twice"])
    assert not (tmp_path / "cache").exists()


def _build_uncached(queue):
    queue.put(build(SOURCE, compiler=find_compiler(), cache=None).path)


def test_private_libraries_go_with_their_process():
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_build_uncached, args=(queue,))
    process.start()
    path = queue.get(timeout=60)
    process.join(60)
    assert not os.path.exists(os.path.dirname(path))


# The environment


@pytest.mark.parametrize(
    "variable", ["CPATH", "C_INCLUDE_PATH", "CFLAGS", "COMPILER_PATH", "GCC_EXEC_PREFIX", "LD_PRELOAD"]
)
def test_environment_does_not_reach_the_compiler(compiler, monkeypatch, tmp_path, variable):
    poison = tmp_path / "poison"
    poison.mkdir()
    (poison / "math.h").write_text('#error "poisoned"\n')
    (poison / "as").write_text("#!/bin/sh\nexit 1\n")
    (poison / "as").chmod(0o700)
    values = {
        "CFLAGS": "-Dfabs=poisoned",
        "GCC_EXEC_PREFIX": f"{poison}/",
        "LD_PRELOAD": str(poison / "none.so"),
    }
    monkeypatch.setenv(variable, values.get(variable, str(poison)))
    build(SOURCE, compiler=compiler, cache=None)


def test_only_named_variables_are_passed_on(script, monkeypatch):
    monkeypatch.setenv("TAPELESS_SECRET", "1")
    compiler = find_compiler(script('env | sed "s/=.*//" >&2; exit 1'))
    with pytest.raises(CompilerError) as raised:
        build(SOURCE, compiler=compiler, cache=None)
    seen = set(re.findall(r"^  (\w+)$", str(raised.value), re.MULTILINE))
    # PWD, _, SHLVL and OLDPWD come from the shell itself.
    assert seen - {"PWD", "_", "SHLVL", "OLDPWD"} <= {"PATH", "HOME", "LC_ALL", "LANG", "TMPDIR"}


def test_arguments_pass_no_shell(script, tmp_path):
    compiler = find_compiler(script('for word in "$@"; do echo "[$word]" >&2; done; exit 1'))
    with pytest.raises(CompilerError):
        build(SOURCE, compiler=compiler, cache=None, extra_flags=(f"$(touch {tmp_path}/touched); `id`",))
    assert not (tmp_path / "touched").exists()


# Failures


def assert_nothing_left(temporary):
    assert [p for p in temporary.iterdir() if not p.name.startswith("tapeless-libraries-")] == []
    assert Cache().info().entries == 0


def test_refused_source(compiler, temporary):
    with pytest.raises(CompilerError, match=r"refused the source") as raised:
        build("int f(void) { return undeclared; }", compiler=compiler, cache=Cache())
    assert "command: " in str(raised.value)
    assert "kernel.c:1:22: error: 'undeclared' undeclared" in str(raised.value)
    assert_nothing_left(temporary)


def test_long_messages_are_cut(script):
    compiler = find_compiler(script("seq 1000 >&2; exit 1"))
    with pytest.raises(CompilerError, match=r"\n  12\n  \.\.\. \(988 more lines\)$"):
        build(SOURCE, compiler=compiler, cache=None)


def test_crashing_compiler(script, temporary):
    compiler = find_compiler(script("kill -SEGV $$"))
    with pytest.raises(CompilerError, match=r"crashed \(SIGSEGV\).*TAPELESS_CC"):
        build(SOURCE, compiler=compiler, cache=Cache())
    assert_nothing_left(temporary)


def test_compiler_whose_child_crashes(script, temporary):
    compiler = find_compiler(script("echo 'cc: internal compiler error: Killed (program cc1)' >&2; exit 4"))
    with pytest.raises(CompilerError, match=r"crashed \(internal error\)"):
        build(SOURCE, compiler=compiler, cache=Cache())
    assert_nothing_left(temporary)


def test_hanging_compiler_is_stopped_with_its_children(script, temporary, tmp_path):
    compiler = find_compiler(script(f"sh -c 'echo $$ > {tmp_path}/child; sleep 600' & wait"))
    start = time.monotonic()
    with pytest.raises(CompilerError, match=r"within 1 seconds and was stopped"):
        build(SOURCE, compiler=compiler, cache=Cache(), timeout=1.0)
    assert time.monotonic() - start < 30
    child = (tmp_path / "child").read_text().strip()
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the compiler's child still runs")
    assert_nothing_left(temporary)


def test_compiler_that_writes_nothing(script, temporary):
    with pytest.raises(CompilerError, match=r"produced no library"):
        build(SOURCE, compiler=find_compiler(script("exit 0")), cache=Cache())
    assert_nothing_left(temporary)


def test_compiler_that_is_no_program(tmp_path, temporary):
    path = tmp_path / "cc"
    path.write_bytes(b"\x7fELF nonsense")
    path.chmod(0o700)
    with pytest.raises(CompilerError, match=r"cannot be started"):
        build(SOURCE, compiler=find_compiler(str(path)), cache=Cache())
    assert_nothing_left(temporary)


def test_old_compiler_that_does_not_know_the_level(compiler, script, monkeypatch):
    from tapeless.runtime import cpu

    monkeypatch.setattr(cpu, "host", lambda: cpu.Cpu("x86_64/x86-64-v3", ("-march=x86-64-v3",)))
    body = f"""case "$*" in *march*) echo "error: bad value ('x86-64-v3') for '-march=' switch" >&2; exit 1;; esac
exec {compiler.argv[0]} "$@" """
    library = build(SOURCE, compiler=find_compiler(script(body)), cache=Cache())
    assert load(library, ["twice"])


def test_other_refusals_are_not_tried_again(script, tmp_path):
    body = f"""echo x >> {tmp_path}/runs; echo "error: 'cpu' undeclared; CPU time, march" >&2; exit 1"""
    with pytest.raises(CompilerError, match=r"undeclared"):
        build(SOURCE, compiler=find_compiler(script(body)), cache=None)
    assert (tmp_path / "runs").read_text() == "x\n"


@pytest.mark.parametrize(
    "message",
    [
        "error: bad value ('x86-64-v3') for '-march=' switch",
        "cc1: error: unrecognized command line option '-mprefer-vector-width=512'",
        "error: unknown target CPU 'x86-64-v3'",
        "error: unknown CPU: 'x86_64_v3'",
    ],
)
def test_messages_about_the_level(message):
    assert build_module._names_architecture(message)


def test_folders_of_killed_processes_are_swept(compiler, temporary):
    names = ("tapeless-build-old", "tapeless-build-new", "other-old")
    for name in names:
        (temporary / name).mkdir()
        (temporary / name / "kernel.c").write_text("")
        if name.endswith("old"):
            os.utime(temporary / name, (0, 0))
    build(SOURCE, compiler=compiler, cache=Cache())
    assert sorted(path.name for path in temporary.iterdir()) == ["other-old", "tapeless-build-new"]


def test_compiler_that_finds_the_disk_full(script, temporary):
    compiler = find_compiler(script("echo 'fatal error: /tmp/x.s: No space left on device' >&2; exit 1"))
    with pytest.raises(CacheError, match=r"disk full.*TMPDIR"):
        build(SOURCE, compiler=compiler, cache=Cache())
    assert_nothing_left(temporary)


def test_no_room_for_temporary_files(compiler, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(CacheError, match=r"No space left.*TMPDIR"):
        build(SOURCE, compiler=compiler, cache=Cache())


def test_cache_that_cannot_be_used_stops_the_build(compiler, tmp_path, temporary):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"not a directory"):
        build(SOURCE, compiler=compiler, cache=Cache(tmp_path / "file"))
    assert list(temporary.iterdir()) == []


# Several processes


def _race(root, barrier, queue):
    barrier.wait(60)
    library = build(SOURCE, compiler=find_compiler(), cache=Cache(root))
    load(library, ["twice"])
    queue.put(library.digest)


def test_processes_that_race_for_one_key_agree(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(4), context.Queue()
    root = str(tmp_path / "raced")
    processes = [context.Process(target=_race, args=(root, barrier, queue)) for _ in range(4)]
    for process in processes:
        process.start()
    digests = {queue.get(timeout=120) for _ in processes}
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(digests) == 1
    assert Cache(root).info().entries == 1
    assert glob.glob(f"{root}/**/.*", recursive=True) == []


# Several units


UNITS = """
#include <stddef.h>
#ifndef TAPELESS_UNIT
#error "compiled in units"
#endif
double half(double x);
#if TAPELESS_UNIT == 0
void units(ptrdiff_t n, const void *const *in, void *const *out)
{
    const double *x = in[0];
    double *y = out[0];
    for (ptrdiff_t i = 0; i < n; i++) y[i] = half(x[i]);
}
#endif
#if TAPELESS_UNIT == 1
double half(double x) { return x / 2; }
#endif
"""


def test_units_are_compiled_apart_and_linked(compiler, temporary):
    library = build(UNITS, compiler=compiler, units=2, cache=Cache())
    assert load(library, ["units"])
    assert list(temporary.iterdir()) == []


def test_the_number_of_units_counts(compiler):
    source = UNITS.replace('#error "compiled in units"', "#define TAPELESS_UNIT 0").replace(
        "double half(double x);", "static double half(double x) { return x / 2; }"
    )
    source = source.replace("#if TAPELESS_UNIT == 1", "#if 0")
    build(source, compiler=compiler, cache=Cache())
    build(source, compiler=compiler, units=2, cache=Cache())
    assert len([p for p in Path(Cache().root, "builds").rglob("*") if p.is_file()]) == 2


@pytest.mark.parametrize("change", [{"optimize": "-O1"}, {"extra_flags": ("-DX",)}])
def test_the_flags_of_units_count(compiler, change):
    build(UNITS, compiler=compiler, units=2, cache=Cache())
    build(UNITS, compiler=compiler, units=2, cache=Cache(), **change)
    assert len([p for p in Path(Cache().root, "builds").rglob("*") if p.is_file()]) == 2


def test_a_refused_unit_is_shown_and_stops_the_others(script, temporary, tmp_path):
    body = f"""case "$*" in
    *UNIT=1*)
        while [ ! -s {tmp_path}/children ]; do sleep 0.01; done
        echo "kernel.c:7: error: wrong here" >&2
        exit 1;;
    *) echo $$ >> {tmp_path}/children; exec sleep 600;;
    esac"""
    with pytest.raises(CompilerError, match=r"refused the source") as raised:
        build(UNITS, compiler=find_compiler(script(body)), units=2, cache=Cache())
    assert "-DTAPELESS_UNIT=1" in str(raised.value)
    assert "wrong here" in str(raised.value)
    assert_gone(tmp_path / "children")
    assert_nothing_left(temporary)


def test_the_time_limit_covers_all_units(script, temporary, tmp_path):
    compiler = find_compiler(script(f"echo $$ >> {tmp_path}/children; exec sleep 600"))
    with pytest.raises(CompilerError, match=r"within 0\.5 seconds .*TAPELESS_BUILD_TIMEOUT=<seconds>"):
        build(UNITS, compiler=compiler, units=5, cache=Cache(), timeout=0.5)
    assert_gone(tmp_path / "children")
    assert_nothing_left(temporary)


def test_the_time_limit_comes_from_the_environment(script, monkeypatch):
    monkeypatch.setenv("TAPELESS_BUILD_TIMEOUT", "0.5")
    with pytest.raises(CompilerError, match=r"within 0\.5 seconds"):
        build(UNITS, compiler=find_compiler(script("exec sleep 600")), cache=None)


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan"])
def test_a_time_limit_that_is_none(compiler, monkeypatch, text):
    monkeypatch.setenv("TAPELESS_BUILD_TIMEOUT", text)
    with pytest.raises(CompilerError, match=rf"TAPELESS_BUILD_TIMEOUT='{text}' is not a number of seconds"):
        build(SOURCE, compiler=compiler, cache=None)


def _interrupted(path, folder, queue):
    tempfile.tempdir = folder
    signal.signal(signal.SIGINT, signal.default_int_handler)
    queue.put(os.getpid())
    try:
        build(UNITS, compiler=find_compiler(path), units=4, cache=Cache())
    except KeyboardInterrupt:
        queue.put("interrupted")


def test_an_interrupt_stops_every_compiler(script, temporary, tmp_path):
    path = script(f"echo $$ >> {tmp_path}/children; exec sleep 600")
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_interrupted, args=(path, str(temporary), queue))
    process.start()
    pid = queue.get(timeout=60)
    for _ in range(600):
        if (tmp_path / "children").exists():
            break
        time.sleep(0.05)
    os.kill(pid, signal.SIGINT)
    assert queue.get(timeout=60) == "interrupted"
    process.join(60)
    assert_gone(tmp_path / "children")
    assert_nothing_left(temporary)


def assert_gone(file):
    """Assert that none of the processes listed in a file runs."""
    for child in file.read_text().split():
        for _ in range(600):
            try:
                state = Path(f"/proc/{child}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                break
            if state.rpartition(")")[2].split()[0] == "Z":
                break
            time.sleep(0.05)
        else:
            pytest.fail(f"process {child} still runs")
