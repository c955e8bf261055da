"""What was asked for people is written down whole, or not at all."""

import json
import resource
from pathlib import Path

import pytest

from gateway.core.errors import StoreError
from gateway.edge.subject import register
from gateway.testing.samples import T0


def test_each_request_is_one_line_that_only_the_owner_can_read(tmp_path: Path) -> None:
    for what in ("export", "erase"):
        register.note(tmp_path, what, "her request", {"offers": 2}, T0)
    file = tmp_path / register.NAME
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [line["what"] for line in lines] == ["export", "erase"]
    assert file.stat().st_mode & 0o077 == 0


def test_where_only_a_part_of_a_line_has_room_nothing_is_written_and_it_is_told(tmp_path: Path) -> None:
    register.note(tmp_path, "export", "her request", {}, T0)
    file = tmp_path / register.NAME
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        with pytest.raises(StoreError, match=r"requests\.jsonl: cannot be written: No space left"):
            register.note(tmp_path, "erase", "her request", {}, T0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_bytes() == before
