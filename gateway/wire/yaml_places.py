"""Where in a file a character of a YAML scalar stands.

YAML folds lines, strips indentation and resolves escapes, but never adds, drops or reorders a character that is not
white space (YAML 1.1, chapters 5.7 and 9). So the n-th visible character of the value is the n-th visible one of what
was written, whatever the style.
"""

import re
from collections.abc import Iterator

import yaml
from yaml.scanner import Scanner

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_ESCAPES = re.compile(r"\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\.|.", re.DOTALL)
_SINGLE_QUOTED = re.compile(r"''|.", re.DOTALL)
_PLAIN = re.compile(r".", re.DOTALL)


def place_in(text: str, node: yaml.ScalarNode, offset: int) -> tuple[int, int]:
    r"""Return line and column, from 1, of the character at an offset into the node's value without outer white space.

    An offset past the end gives the place after the last visible character; one on white space the next visible one.

    >>> text = "a:\n  - >-\n    one\n    two\n"
    >>> place_in(text, yaml.compose(text).value[0][1].value[0], 4)
    (4, 5)
    """
    wanted = sum(not char.isspace() for char in node.value.strip()[:offset])
    index = node.start_mark.index
    for number, (start, end) in enumerate(_visible(text, node)):
        if number == wanted:
            index = start
            break
        index = end
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _visible(text: str, node: yaml.ScalarNode) -> Iterator[tuple[int, int]]:
    """Yield start and end in the file of each written character that is not white space."""
    begin, end, token = _content(text, node)
    for found in token.finditer(text, begin, end):
        written = _meaning(found[0], node.style)
        if written and not written.isspace():
            yield found.span()


def _content(text: str, node: yaml.ScalarNode) -> tuple[int, int, re.Pattern[str]]:
    begin, end = node.start_mark.index, node.end_mark.index
    properties = _PROPERTIES.match(text, begin, end)
    begin = properties.end() if properties else begin
    if node.style in ("|", ">"):  # the header may carry a comment; the content starts on the next line
        return text.find("\n", begin, end) + 1, end, _PLAIN
    if node.style == '"':
        return begin + 1, end - 1, _ESCAPES
    if node.style == "'":
        return begin + 1, end - 1, _SINGLE_QUOTED
    return begin, end, _PLAIN


def _meaning(token: str, style: str | None) -> str:
    """Return the character a token stands for; empty for an escaped line break, which leaves nothing."""
    if style != '"' or len(token) == 1:
        return token[:1]
    if token[1] in "xuU":
        return token.encode().decode("unicode_escape")
    return str(Scanner.ESCAPE_REPLACEMENTS.get(token[1], ""))
