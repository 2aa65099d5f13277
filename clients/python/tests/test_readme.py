"""Every program of README.md prints what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from processes import Cluster

README = Path(__file__).resolve().parents[1] / "README.md"
PROGRAM = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = PROGRAM.findall(README.read_text())
PROGRAM_S_MAX = 30


def test_every_program_says_what_it_prints() -> None:
    assert len(PROGRAMS) == README.read_text().count("```python")
    assert len(PROGRAMS) >= 5


@pytest.mark.parametrize(("program", "printed"), PROGRAMS)
def test_a_program_prints_what_stands_below_it(
    program: str, printed: str, cluster: Cluster
) -> None:
    for number, member in enumerate(cluster.members, 1):
        program = program.replace(f"localhost:800{number}", f"localhost:{member.port}")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=PROGRAM_S_MAX,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == (printed, "")
