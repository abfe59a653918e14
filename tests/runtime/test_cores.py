"""How many threads there are: the variable, the processors a process may use, the quota of its control groups."""

from __future__ import annotations

import os

import pytest

from tapeless.errors import ArgumentError
from tapeless.runtime import cores
from tapeless.runtime.cores import available_cores, thread_limit


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(cores, "_limit", None)
    monkeypatch.delenv("TAPELESS_NUM_THREADS", raising=False)


@pytest.fixture
def eight(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write(root, path, text):
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_variable_decides_and_is_read_once(monkeypatch):
    monkeypatch.setenv("TAPELESS_NUM_THREADS", " 5 ")
    assert thread_limit() == 5
    monkeypatch.setenv("TAPELESS_NUM_THREADS", "6")
    assert thread_limit() == 5


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "٣"])
def test_other_values_are_refused(monkeypatch, text):
    monkeypatch.setenv("TAPELESS_NUM_THREADS", text)
    with pytest.raises(ArgumentError, match=r"TAPELESS_NUM_THREADS=.*set it to 1 or more, or unset it"):
        thread_limit()


def test_without_it_the_cores_of_the_process_count(monkeypatch):
    monkeypatch.setenv("TAPELESS_NUM_THREADS", "")
    assert thread_limit() == available_cores()
    assert available_cores() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"/proc/self/cgroup": "0::/app\n", "/sys/fs/cgroup/app/cpu.max": "max 100000\n"}, 8),
        ({"/proc/self/cgroup": "0::/app\n", "/sys/fs/cgroup/app/cpu.max": "250000 100000\n"}, 2),
        ({"/proc/self/cgroup": "0::/app\n", "/sys/fs/cgroup/app/cpu.max": "50000 100000\n"}, 1),
        ({"/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
        ({"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
        (
            {
                "/proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/box\n",
                "/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "500000\n",
                "/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
            },
            5,
        ),
        (
            {
                "/proc/self/cgroup": "1:cpu:/\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
        ({"/proc/self/cgroup": "nonsense\n", "/sys/fs/cgroup/cpu.max": "many 0\n"}, 8),
    ],
)
def test_quotas_of_control_groups(eight, tmp_path, files, expected):
    for path, text in files.items():
        write(tmp_path, path, text)
    assert available_cores(os.fspath(tmp_path)) == expected
