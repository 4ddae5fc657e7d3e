"""Do the type stubs say what the native module has, and do the annotations hold?"""

import os
import subprocess
import sys

import cherrystone
import pytest


@pytest.mark.parametrize("arguments", [["mypy.stubtest", "--concise"], ["mypy", "-p"]], ids=["stubs", "annotations"])
def test_types(arguments, tmp_path):
    pytest.importorskip("mypy", reason="mypy needs a later Python")
    tool, *options = arguments
    if tool == "mypy":
        options = ["--cache-dir", str(tmp_path), *options]
    # Where the package is, if it is not installed but in the search path.
    where = os.path.dirname(os.path.dirname(cherrystone.__file__))
    environment = dict(os.environ) if "site-packages" in where else {**os.environ, "MYPYPATH": where}
    checked = subprocess.run([sys.executable, "-m", tool, *options, "cherrystone"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
