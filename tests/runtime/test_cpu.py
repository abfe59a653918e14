import pytest

from tapeless.runtime import cpu

V2 = {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}
V3 = V2 | {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}
V4 = V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


@pytest.mark.parametrize(
    ("machine", "features", "name", "flags"),
    [
        ("x86_64", set(), "x86_64", ()),
        ("x86_64", V2, "x86_64/x86-64-v2", ("-march=x86-64-v2",)),
        ("x86_64", V3, "x86_64/x86-64-v3", ("-march=x86-64-v3",)),
        ("x86_64", V3 - {"fma"}, "x86_64/x86-64-v2", ("-march=x86-64-v2",)),
        ("x86_64", V4 - V3, "x86_64", ()),
        ("x86_64", V4, "x86_64/x86-64-v4", ("-march=x86-64-v4", "-mprefer-vector-width=512")),
        ("aarch64", V4, "aarch64", ()),
    ],
)
def test_level_needs_all_of_its_features(machine, features, name, flags):
    found = cpu.resolve(machine, frozenset(features))
    assert (found.name, found.flags) == (name, flags)


def test_features_are_those_of_the_first_processor(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor : 0\nflags\t\t: fpu avx2\n\nprocessor : 1\nflags\t\t: fpu\n")
    assert cpu._read_features(str(path)) == {"fpu", "avx2"}


def test_unreadable_cpuinfo_means_no_known_features(tmp_path):
    assert cpu._read_features(str(tmp_path / "absent")) == frozenset()


def test_host_never_says_native():
    assert "native" not in " ".join((cpu.host().name, *cpu.host().flags))
