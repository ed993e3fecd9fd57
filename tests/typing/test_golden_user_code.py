"""What a type checker tells an author."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden_user_code.py"


@pytest.mark.skipif(
    importlib.util.find_spec("pyright") is None, reason="pyright (extra 'lint') is not installed"
)
def test_authors_see_their_own_signatures_in_the_type_checker(tmp_path: Path) -> None:
    (tmp_path / "heliostat").symlink_to(GOLDEN.parents[2])
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "golden.py").write_text(GOLDEN.read_text())
    settings = {
        "include": ["code"],
        "extraPaths": ["."],
        "typeCheckingMode": "strict",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    checked = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert checked.returncode == 0, checked.stdout
