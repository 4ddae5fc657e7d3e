"""The tables of the documentation name tests that exist."""

import pathlib
import re

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.mark.parametrize("document", ["../PEP-3333.md", "../../docs/migrating-from-cheroot.md"])
def test_every_test_that_is_named_exists(document):
    named = set(re.findall(r"`(test_\w+)`", (HERE / document).read_text(encoding="utf-8")))
    defined = {name for file in HERE.glob("test_*.py") for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.M)}
    assert len(named) > 30
    assert named <= defined, sorted(named - defined)
