"""The pages' parts from npm: missing ones are named with the cure, present ones are left alone."""

from pathlib import Path

import pytest

from api import assets
from domain.errors import ConfigError


def test_missing_parts_are_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "htmx.js").touch()
    with pytest.raises(ConfigError, match=r"uplot\.js.*make setup"):
        assets.check(tmp_path)
    assert "htmx.js" not in assets.missing(tmp_path)


def test_outside_a_source_tree_nothing_can_be_built(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source tree"):
        assets.build(root=tmp_path, vendor=tmp_path / "vendor")


def test_what_stands_is_not_built_again() -> None:
    # `make setup` has built them for these tests; without npm in reach a second build would fail.
    assert assets.build() is False


def test_the_lock_file_names_no_registry() -> None:
    lock = (assets.ROOT / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "registry" not in lock
    assert lock.count('"integrity"') == 3
