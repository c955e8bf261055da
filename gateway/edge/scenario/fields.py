"""The fields of one mapping of a scenario file, by the tables of `words`."""

from collections.abc import Collection, Mapping
from typing import TypeVar

import yaml

from gateway.wire.campaign_source import Code, Fault, Located, Reader, Source, suggestion

T = TypeVar("T")


class Fields:
    """The fields of one mapping. Unknown, doubled and missing ones are noted when it is made."""

    def __init__(self, source: Source, node: yaml.Node, what: str, known: Mapping[str, bool]) -> None:
        """Read the keys.

        Args:
            source: The file.
            node: What should be the mapping.
            what: What it is, e.g. `a case`.
            known: Each field's name, and whether it must stand there.
        """
        self.node = node
        self._source = source
        self._nodes: dict[str, yaml.Node] = {}
        if not isinstance(node, yaml.MappingNode):
            source.note(Code.WRONG_TYPE, node, f"{what} must be a mapping, `name: value`")
            return
        for key, value in node.value:
            self._add(what, key, value, known)
        for name, required in known.items():
            if required and name not in self._nodes:
                source.note(Code.MISSING_FIELD, node, f"{what} needs {name!r}")

    def _add(self, what: str, key: yaml.Node, value: yaml.Node, known: Collection[str]) -> None:
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
        if name not in known:
            self._source.note(Code.UNKNOWN_FIELD, key, f"{what} has no {name!r}", suggestion(name, known))
        elif name in self._nodes:
            self._source.note(Code.DUPLICATE_KEY, key, f"{name!r} stands twice", "keep one of them")
        else:
            self._nodes[name] = value

    def node_of(self, name: str) -> yaml.Node | None:
        """Return the node of a field, or None where it is absent."""
        return self._nodes.get(name)

    def take(self, name: str, read: Reader[T]) -> Located[T] | None:
        """Return the field's value; None when it is absent or faulty."""
        node = self._nodes.get(name)
        if node is None:
            return None
        try:
            return Located(read(node, name), node)
        except Fault as fault:
            self._source.note(fault.code, node, fault.message, fault.hint)
            return None

    def value(self, name: str, read: Reader[T]) -> T | None:
        """Return the field's value without its place; None when it is absent or faulty."""
        found = self.take(name, read)
        return None if found is None else found.value
