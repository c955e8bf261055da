"""A campaign file as written: its YAML nodes with their places, and the problems found in it.

Nothing here knows what a campaign means. A fault is noted as a `Problem` at its place and reading goes on, so that
one look at a file finds all that is wrong with it. Files are composed, never constructed: no YAML tag makes an
object.
"""

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

import yaml

from gateway.wire.yaml_places import place_in

MAX_FILE_BYTES = 1 << 20

T = TypeVar("T")


class Code(StrEnum):
    """What kind of problem it is: stable, for machines; the message is for people."""

    UNREADABLE = "unreadable"
    SYNTAX = "syntax"
    DUPLICATE_KEY = "duplicate_key"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    BAD_VALUE = "bad_value"
    OUT_OF_RANGE = "out_of_range"
    BAD_EXPRESSION = "bad_expression"
    PERSONAL_FOR_ANYONE = "personal_for_anyone"
    UNKNOWN_MOMENT = "unknown_moment"
    UNKNOWN_FENCE_KIND = "unknown_fence_kind"
    UNKNOWN_FENCE = "unknown_fence"
    UNKNOWN_ACTION = "unknown_action"
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN_CATEGORY = "unknown_category"
    UNKNOWN_PLACEMENT = "unknown_placement"
    DUPLICATE_CAMPAIGN = "duplicate_campaign"
    DUPLICATE_ACTION = "duplicate_action"
    DUPLICATE_TREATMENT = "duplicate_treatment"
    REWARD_NOT_MARKETING = "reward_not_marketing"
    PRICE_NOT_MARKETING = "price_not_marketing"
    CAP_NOT_MARKETING = "cap_not_marketing"
    WHILE_DRIVING_NOT_VOICE = "while_driving_not_voice"
    EMPTY_VALIDITY = "empty_validity"
    FILTER_NEVER_MATCHES = "filter_never_matches"
    UNREACHABLE = "unreachable"
    TEXT_TOO_LONG = "text_too_long"
    BAD_PLACEHOLDER = "bad_placeholder"
    UNSTATED_FACT = "unstated_fact"
    NOT_PERSONAL = "not_personal"
    MISSING_FALLBACK = "missing_fallback"
    BAD_PATTERN = "bad_pattern"
    DUPLICATE_NAME = "duplicate_name"
    UNKNOWN_TAG = "unknown_tag"
    UNKNOWN_GROUP = "unknown_group"
    DUPLICATE_GROUP = "duplicate_group"
    UNKNOWN_CHALLENGE = "unknown_challenge"
    DUPLICATE_CHALLENGE = "duplicate_challenge"
    COUNTS_CHALLENGES = "counts_challenges"
    SUSPICION_SELLS = "suspicion_sells"
    BAD_CAP = "bad_cap"
    CONTACT_NOT_MARKETING = "contact_not_marketing"
    DUPLICATE_CONTACT_POLICY = "duplicate_contact_policy"
    BAD_REWARD = "bad_reward"
    BUDGET_NOT_MARKETING = "budget_not_marketing"
    BUDGET_WITHOUT_COST = "budget_without_cost"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong, where, and what to do about it. Lines and columns count from 1; 0 means the file as a whole."""

    path: Path
    line: int
    column: int
    code: Code
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else str(self.path)
        return f"{place}: {self.message}{f'; {self.hint}' if self.hint else ''} [{self.code}]"


class Fault(Exception):
    """A node that cannot be read. Raised by readers, noted as a problem by `campaign_shapes.take`."""

    def __init__(self, code: Code, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Located(Generic[T]):
    """A value and the node it was read from."""

    value: T
    node: yaml.Node


Reader: TypeAlias = Callable[[yaml.Node, str], T]
"""Reads a node under the name of its field. Raises `Fault`."""


class Source:
    """One campaign file: where its problems are collected."""

    def __init__(self, path: Path, text: str = "") -> None:
        self.path = path
        self.text = text
        self.problems: list[Problem] = []

    def note(self, code: Code, node: yaml.Node, message: str, hint: str = "", offset: int | None = None) -> None:
        """Note a problem at a node or, given an offset into its text, at that character of the file."""
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if offset is not None and isinstance(node, yaml.ScalarNode):
            line, column = place_in(self.text, node, offset)
        self.problems.append(Problem(self.path, line, column, code, message, hint))

    def note_file(self, code: Code, message: str, line: int = 0, column: int = 0) -> None:
        """Note a problem that belongs to no node."""
        self.problems.append(Problem(self.path, line, column, code, message))


def open_source(path: Path) -> tuple[Source, yaml.Node | None]:
    """Return the file with its root node, or None where it cannot be read; the problem is noted."""
    source = Source(path)
    try:
        raw = path.read_bytes()
        source.text = raw.decode("utf-8")
    except OSError as error:
        source.note_file(Code.UNREADABLE, f"cannot be read: {error.strerror}")
        return source, None
    except UnicodeDecodeError as error:
        source.note_file(Code.UNREADABLE, f"is not UTF-8: byte {error.start} is wrong")
        return source, None
    if len(raw) > MAX_FILE_BYTES:
        source.note_file(Code.UNREADABLE, f"has {len(raw)} bytes; at most {MAX_FILE_BYTES} are read")
        return source, None
    return source, _compose(source)


def _compose(source: Source) -> yaml.Node | None:
    try:
        root: yaml.Node | None = yaml.compose(source.text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        said = ", ".join(part for part in (error.context, error.problem) if part)
        source.note_file(Code.SYNTAX, f"is no YAML: {said}", line, column)
        return None
    except yaml.YAMLError as error:
        source.note_file(Code.SYNTAX, f"is no YAML: {str(error).splitlines()[0]}")
        return None
    except RecursionError:
        source.note_file(Code.SYNTAX, "is nested too deeply")
        return None
    if root is None:
        source.note_file(Code.MISSING_FIELD, "is empty; a campaign needs `campaign:` and `actions:`", 1, 1)
    return root


def suggestion(name: str, known: Collection[str]) -> str:
    """Return what the author may have meant: the nearest known name, else all of them."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(sorted(known))}" if known else ""


def has_key(node: yaml.Node, name: str) -> bool:
    """Return whether a node is a mapping with this key."""
    if not isinstance(node, yaml.MappingNode):
        return False
    return any(isinstance(key, yaml.ScalarNode) and key.value == name for key, _ in node.value)
