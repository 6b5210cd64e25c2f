"""The same on a system that gives us neither namespaces nor control groups: everything still ends, and facts say what
commands can reach."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

# A world in which no namespace of processes can be made, and no control group is there.
_POORER = 'mount -t tmpfs none /sys/fs/cgroup && echo 0 > /proc/sys/user/max_pid_namespaces && exec "$@"'
_TESTS = "bounded or facts_say or begin_anew or lives_until_stop or of_our_variables"


def test_machine_without_namespaces() -> None:
    world = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _POORER, "sh"]
    if not shutil.which("unshare") or subprocess.run([*world, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system cannot be made poorer for a test")
    tests = ("tests/replay/environments/test_machine.py", "-k", _TESTS)
    done = subprocess.run(
        [*world, sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", *tests],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:]
