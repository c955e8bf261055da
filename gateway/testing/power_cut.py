"""Power cuts, simulated: the system calls of a real run are recorded, and what a disk may hold after a cut is drawn.

A run of any program is recorded with `strace`, so the program, its SQLite and its files are those of the device. The
recording is played into a `Disk`, which knows of every file what has reached the disk for sure and what has only been
written. A cut at any point then leaves, by a random number generator of the caller:

- of what is synced, all;
- of each file's unsynced writes and truncations nothing, all, the first few, or any of them; a write may be torn, at
  sectors of 512 bytes; where a file was lengthened but the data did not arrive stand zeros or garbage;
- of unsynced creations, renames and deletions the first few: a file system that journals them keeps their order. To
  sync a file is not to sync its name: only the folder's own sync does that.

A sync that fails, which strace can arrange, gives up all that it was to bring to the disk.

Not modelled: disks that acknowledge a sync and lose it, and bytes that change where nothing was written.
"""

import random
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

SECTOR = 512
RECORD_WITHIN_S = 60.0

_WATCHED = (
    "openat,open,creat,write,pwrite64,fsync,fdatasync,sync_file_range,ftruncate,truncate,rename,renameat,renameat2,"
    "unlink,unlinkat,link,linkat,symlink,mkdir,writev,pwritev,pwritev2,fallocate,sendfile,copy_file_range"
)
_SYNCS = frozenset({"fsync", "fdatasync"})
_NAMING = frozenset({"openat", "open", "creat", "rename", "renameat", "renameat2", "unlink", "unlinkat"})
_HARMLESS = frozenset({"sync_file_range"})
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
_UNFINISHED = re.compile(r"^(\d+) +(\w+\(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"^\d+<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?")


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes were written at an offset."""

    name: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file was cut or lengthened to a size."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Create:
    """A file that was not there was made."""

    name: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A file was given another name; one that had it is gone."""

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Unlink:
    """A file was deleted."""

    name: str


@dataclass(frozen=True, slots=True)
class Sync:
    """What was written to a file is on disk; of the folder (empty name): the names of its files."""

    name: str


@dataclass(frozen=True, slots=True)
class SyncFailed:
    """What was written to a file since its last sync may never reach the disk, and no later sync will tell.

    So Linux has it: a page that could not be written counts as clean (Rebello et al., Can Applications Recover from
    fsync Failures?, 2020). It is written only if the program writes it anew.
    """

    name: str


Step: TypeAlias = Write | Truncate | Create | Rename | Unlink | Sync | SyncFailed


@dataclass(frozen=True, slots=True)
class Recording:
    """What a program did to the files of one folder.

    Attributes:
        before: The files as they were.
        steps: What was done to them, in order.
    """

    before: Mapping[str, bytes]
    steps: Sequence[Step]


def find_strace() -> str | None:
    """Return where strace lies, or None."""
    return shutil.which("strace")


def record(command: Sequence[str], folder: Path, *, ignoring: str = "-shm", failing: str = "") -> Recording:
    """Run a program to its end and return what it did to a folder's files.

    Args:
        command: The program; it may end well or kill itself.
        folder: Where its files are.
        ignoring: Files whose name ends so are left out: SQLite's shared memory is not read after a restart.
        failing: Which of its syncs are to fail, in the words of strace: `when=9+7` is the ninth and then every seventh.

    Raises:
        RuntimeError: strace is missing or may not trace, or the program failed or did what is not modelled.
        subprocess.TimeoutExpired: It did not end in good time.
    """
    program = find_strace()
    if program is None:
        raise RuntimeError("strace is not installed")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(ignoring)}
    trace = folder.with_name(folder.name + ".strace")
    options = ("-f", "-y", "-xx", "-qq", "-s", "1000000", "-e", "signal=none", "-e", f"trace={_WATCHED}")
    faults = ("-e", f"inject=fdatasync:error=EIO:{failing}") if failing else ()
    done = subprocess.run(  # noqa: S603 -- the command is the caller's own
        [program, *options, *faults, "-o", str(trace), *command],
        timeout=RECORD_WITHIN_S,
        check=False,
        capture_output=True,
    )
    with trace.open(encoding="ascii") as lines:
        steps = [step for step in _steps(lines, folder.resolve(), set(before)) if not step.name.endswith(ignoring)]
    if not steps or done.returncode not in {0, -signal.SIGKILL}:
        raise RuntimeError(f"not recorded: {done.stderr.decode(errors='replace')}")
    trace.unlink()
    return Recording(before, steps)


def _steps(lines: Iterator[str], folder: Path, present: set[str]) -> Iterator[Step]:
    """Yield what succeeded, in the order of its completion."""
    begun: dict[str, str] = {}
    for line in lines:
        whole = line.rstrip("\n")
        if (unfinished := _UNFINISHED.match(whole)) is not None:
            begun[unfinished[1]] = unfinished[2]
            continue
        if (resumed := _RESUMED.match(whole)) is not None:
            whole = f"{resumed[1]} {begun.pop(resumed[1])}{resumed[2]}"
        call = _CALL.match(whole)
        if call is None or (int(call[4]) < 0 and call[2] not in _SYNCS):
            continue
        step = _step(call[2], call[3], int(call[4]), folder, present)
        if isinstance(step, Sync) and int(call[4]) < 0:
            step = SyncFailed(step.name)
        if step is not None:
            yield step


def _step(call: str, arguments: str, result: int, folder: Path, present: set[str]) -> Step | None:
    """Return what a call did to the folder, or None; keeps account of which names are present."""
    strings = [_decoded(text) for text in _STRING.findall(arguments)]
    if call in _NAMING:
        return _named(call, [_within(path, folder) for path in strings], arguments, present)
    described = _DESCRIPTOR.match(arguments)
    if described is None or described[2] is not None:
        return None
    name = _within(_decoded(described[1]), folder)
    return None if name is None else _written(call, name, arguments, strings, result)


def _named(call: str, names: Sequence[str | None], arguments: str, present: set[str]) -> Step | None:
    """Return what a call did that names its files by their paths."""
    name = names[0]
    if call in {"openat", "open", "creat"}:
        return _opened(name, arguments, present)
    if name is None or "AT_REMOVEDIR" in arguments:
        return None
    present.discard(name)
    if call in {"unlink", "unlinkat"}:
        return Unlink(name)
    target = names[1]
    if target is None:
        raise RuntimeError(f"{call} of {name}: out of the folder")
    present.add(target)
    return Rename(name, target)


def _written(call: str, name: str, arguments: str, strings: Sequence[bytes], result: int) -> Step | None:
    """Return what a call did to a file that was open."""
    if call in _SYNCS:
        return Sync(name)
    last = arguments.rsplit(", ", 1)[-1]
    if call == "pwrite64":
        return Write(name, int(last), strings[0][:result])
    if call == "write":
        # Where it stands in the file is not told; appending is what a plain write does here.
        return Write(name, -1, strings[0][:result])
    if call == "ftruncate":
        return Truncate(name, int(last))
    if call in _HARMLESS:
        return None
    raise RuntimeError(f"{call} of {name}: not modelled")


def _opened(name: str | None, flags: str, present: set[str]) -> Step | None:
    if name is None or not name:
        return None
    if name not in present:
        if "O_CREAT" not in flags:
            return None
        present.add(name)
        return Create(name)
    return Truncate(name, 0) if "O_TRUNC" in flags else None


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _within(path: bytes, folder: Path) -> str | None:
    """Return the name of a file in the folder, empty for the folder itself; None for what lies elsewhere or deeper."""
    where = Path(path.decode())
    if where == folder:
        return ""
    return where.name if where.parent == folder else None


@dataclass(slots=True)
class _File:
    """What is on disk for sure, and what was done to it since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write | Truncate] = field(default_factory=list)
    given_up: int = 0
    size: int = 0

    def take(self, step: Write | Truncate) -> None:
        if isinstance(step, Write):
            step = Write(step.name, self.size, step.data) if step.offset < 0 else step
            self.size = max(self.size, step.offset + len(step.data))
        else:
            self.size = step.size
        self.pending.append(step)

    def sync(self) -> None:
        for step in self.pending[self.given_up :]:
            _apply(self.durable, step)
        self.pending.clear()
        self.given_up = 0

    def give_up(self) -> None:
        self.given_up = len(self.pending)

    def after_cut(self, rng: random.Random) -> bytes:
        """Return what may be left of it."""
        left = bytearray(self.durable)
        if not self.pending:
            return bytes(left)
        manner = rng.choice(("nothing", "all", "first", "any", "any"))
        if manner == "nothing":
            return bytes(left)
        count = len(self.pending) if manner != "first" else rng.randint(0, len(self.pending))
        for number, step in enumerate(self.pending[:count]):
            if manner == "any" and rng.random() < 0.5:
                continue
            is_last = number == count - 1
            torn = (manner == "any" and rng.random() < 0.4) or (manner == "first" and is_last and rng.random() < 0.7)
            _apply(left, step, rng if torn else None)
        return bytes(left)


def _apply(content: bytearray, step: Write | Truncate, tearing: random.Random | None = None) -> None:
    if isinstance(step, Truncate):
        _resize(content, step.size)
        return
    if tearing is None:
        _resize(content, max(len(content), step.offset + len(step.data)))
        content[step.offset : step.offset + len(step.data)] = step.data
        return
    pieces = list(_sectors(step))
    if tearing.random() < 0.5:
        kept = pieces[: tearing.randint(0, len(pieces))]
    else:
        kept = [piece for piece in pieces if tearing.random() < 0.5]
    end = step.offset + len(step.data) if tearing.random() < 0.5 else max((o + len(d) for o, d in kept), default=0)
    _resize(content, max(len(content), end), tearing if tearing.random() < 0.5 else None)
    for offset, data in kept:
        content[offset : offset + len(data)] = data


def _sectors(step: Write) -> Iterator[tuple[int, bytes]]:
    """Yield the parts of a write that arrive or do not arrive as one."""
    start, end = step.offset, step.offset + len(step.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield start, step.data[start - step.offset : stop - step.offset]
        start = stop


def _resize(content: bytearray, size: int, garbage: random.Random | None = None) -> None:
    missing = size - len(content)
    if missing > 0:
        content.extend(bytes(missing) if garbage is None else garbage.randbytes(missing))
    else:
        del content[size:]


class Disk:
    """A folder on a disk, as a recording leaves it step by step."""

    def __init__(self, before: Mapping[str, bytes]) -> None:
        self._live = {name: _File(bytearray(data), size=len(data)) for name, data in before.items()}
        self._durable = dict(self._live)
        self._pending: list[tuple[Create | Rename | Unlink, _File]] = []

    def take(self, step: Step) -> None:
        """Let a step be done, as far as the program can see; only a sync makes it last."""
        if isinstance(step, Write | Truncate):
            self._live[step.name].take(step)
        elif isinstance(step, Sync):
            self._sync(step.name)
        elif isinstance(step, SyncFailed):
            if step.name:
                self._live[step.name].give_up()
        else:
            file = self._live.get(step.name) or _File()
            self._pending.append((step, file))
            _rename(self._live, step, file)

    def _sync(self, name: str) -> None:
        if name:
            self._live[name].sync()
            return
        for step, file in self._pending:
            _rename(self._durable, step, file)
        self._pending.clear()

    def after_cut(self, rng: random.Random) -> dict[str, bytes]:
        """Return what the folder may hold when the power comes back."""
        names = dict(self._durable)
        for step, file in self._pending[: rng.randint(0, len(self._pending))]:
            _rename(names, step, file)
        return {name: file.after_cut(rng) for name, file in names.items()}


def _rename(names: dict[str, _File], step: Create | Rename | Unlink, file: _File) -> None:
    if isinstance(step, Create):
        names[step.name] = file
        return
    names.pop(step.name, None)
    if isinstance(step, Rename):
        names[step.target] = file


def cuts(recording: Recording, count: int, rng: random.Random) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Yield, for `count` random moments in their order, how many steps were done and what the folder may hold then."""
    disk, done = Disk(recording.before), 0
    for moment in sorted(rng.randint(0, len(recording.steps)) for _ in range(count)):
        while done < moment:
            disk.take(recording.steps[done])
            done += 1
        yield done, disk.after_cut(rng)
