"""Every parser of what comes from outside, fuzzed with its coverage for a guide (atheris), from a seed.

Where there is no atheris (it comes for x86-64 and Python before 3.14 only) the targets are left out.
"""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gateway.testing.faults import TellCount, counts
from gateway.testing.process import UNMEASURED

pytestmark = pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed")

SEED = 1
PROGRAM = Path(__file__).with_name("fuzz_parsers.py")
ROOT = Path(__file__).parents[2]
WIRE = Path(__file__).parents[1] / "wire"
TOPICS = 10
"""So many topics a message can have; its first byte says which."""
DONE = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)
COVERED = re.compile(r"^#\d+\s+DONE\s+cov: (\d+)", re.MULTILINE)


def _recorded() -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in sorted((WIRE / "recorded").rglob("*.json"))]


def _messages() -> list[bytes]:
    payloads = [json.dumps(case["payload"]).encode() for case in _recorded()]
    return [bytes([topic]) + payload for payload in payloads for topic in range(TOPICS)]


def _topics() -> list[bytes]:
    return sorted({case["topic"].encode() for case in _recorded()})


def _payloads() -> list[bytes]:
    return [json.dumps(case["payload"]).encode() for case in _recorded()]


def _campaigns() -> list[bytes]:
    files = [*(WIRE / "broken_campaigns").glob("*.yaml"), *(ROOT / "deploy/demo/campaigns").glob("*.yaml")]
    return [file.read_bytes() for file in sorted(files)]


def _journals() -> list[bytes]:
    header = {"journal": 1, "level": "moments", "gateway": "gw-1", "epoch": "e1", "release": "r1"}
    state = {"now_ms": 1, "state": [["unit", "car-7", "presence", "driver", {"subject": "s.1", "ts": 1}]]}
    rest = [
        {"now_ms": 2, "event": None},
        {"now_ms": 2, "activate": "r2"},
        {"scores": {"d.car-7.e1.1": {"pastry": 0.5}}},
    ]
    events = [{"now_ms": 2, "event": event} for case in _recorded() for event in case.get("events", [])]
    lines = [json.dumps(line).encode() + b"\n" for line in (header, state, *rest, *events)]
    whole = b"".join(lines)
    return [whole, gzip.compress(whole, mtime=0), *(lines[0] + line for line in lines[1:])]


def _streams() -> list[bytes]:
    packet = b"\x32\x80\x01" + b"x" * 128
    return [b"\x20\x03\0\0\0", packet, packet * 3 + b"\xd0\0", b"\x30\xff\xff\xff\xff\x01"]


@pytest.mark.parametrize(
    ("target", "corpus", "full", "ci"),
    [
        ("message", _messages, 2_000_000, 50_000),
        ("topic", _topics, 2_000_000, 50_000),
        ("published", _payloads, 1_000_000, 20_000),
        ("journal", _journals, 1_000_000, 20_000),
        ("campaign", _campaigns, 100_000, 1_000),
        ("stream", _streams, 200_000, 10_000),
    ],
)
def test_a_parser_keeps_its_promise_for_any_bytes(
    target: str, corpus: Callable[[], list[bytes]], full: int, ci: int, tmp_path: Path, tell_count: TellCount
) -> None:
    runs, seeds, found = counts(full=full, ci=ci), tmp_path / "corpus", tmp_path / "found"
    seeds.mkdir()
    found.mkdir()
    for number, seed in enumerate(corpus()):
        (seeds / str(number)).write_bytes(seed)
    limits = [f"-runs={runs}", f"-seed={SEED}", "-max_len=16384", "-rss_limit_mb=1024", "-timeout=10"]
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), target, str(seeds), *limits, f"-artifact_prefix={found}/"],
        cwd=tmp_path,
        env={**os.environ, **UNMEASURED, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    escaped = [path.read_bytes() for path in sorted(found.iterdir())]
    done, covered = DONE.search(ended.stderr), COVERED.search(ended.stderr)
    tell_count(
        f"fuzzed: {target}",
        runs=int(done[1]) if done else 0,
        seconds=int(done[2]) if done else 0,
        seed=str(SEED),
        coverage_points=int(covered[1]) if covered else 0,
        escaped=len(escaped),
    )
    assert ended.returncode == 0, f"{ended.stderr[-2_000:]}\n{escaped}"
    assert escaped == []
