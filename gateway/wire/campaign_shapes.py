"""What a field of a campaign file may hold: one value, a mapping of fields, a list, or one of several.

The grammar (`gateway.wire.campaign_grammar`) is made of these, and of nothing else. Files are read by it, and the JSON
Schema is written from it, so that the two cannot differ. What has been read is a `Part`: a mapping with its values,
each with its place. A part may have holes where a field is absent or faulty; those are noted already.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import yaml

from gateway.core.errors import InvariantViolation
from gateway.wire.campaign_readers import items
from gateway.wire.campaign_source import Code, Fault, Located, Reader, Source, suggestion

T = TypeVar("T")


class Shape(ABC):
    """What a field may hold."""

    @abstractmethod
    def read(self, source: Source, node: yaml.Node, name: str) -> object:
        """Return what a node means under the name of its field; problems within it are noted.

        Raises:
            Fault: The node as a whole cannot be read.
        """

    @abstractmethod
    def schema(self) -> dict[str, object]:
        """Return the JSON Schema of what may be written."""

    def tables(self) -> "Iterator[Table]":
        """Yield the tables it refers to itself."""
        yield from ()


@dataclass(frozen=True, eq=False)
class Scalar(Shape):
    """One value, with the schema of how it is written."""

    reader: Reader[object]
    written: Mapping[str, object]

    def read(self, source: Source, node: yaml.Node, name: str) -> object:  # noqa: ARG002 -- one value notes nothing
        """Return the value."""
        return self.reader(node, name)

    def schema(self) -> dict[str, object]:
        """Return what it was given."""
        return dict(self.written)


@dataclass(frozen=True, eq=False)
class ListOf(Shape):
    """A list that is not empty. What cannot be read of it is left out."""

    item: Shape

    def read(self, source: Source, node: yaml.Node, name: str) -> tuple[object, ...]:
        """Return the entries."""
        taken = (take(source, entry, name, self.item) for entry in items(node, name))
        return tuple(located.value for located in taken if located is not None)

    def schema(self) -> dict[str, object]:
        """Return the schema of an array."""
        return {"type": "array", "minItems": 1, "items": self.item.schema()}

    def tables(self) -> "Iterator[Table]":
        """Yield those of its entries."""
        yield from self.item.tables()


@dataclass(frozen=True, eq=False)
class OneOf(Shape):
    """One of several shapes; the node alone tells which, so that a problem is judged by the form that was meant."""

    choose: Callable[[yaml.Node], int]
    shapes: tuple[Shape, ...]

    def read(self, source: Source, node: yaml.Node, name: str) -> object:
        """Return what the chosen shape reads."""
        return self.shapes[self.choose(node)].read(source, node, name)

    def schema(self) -> dict[str, object]:
        """Return the schema of all of them."""
        return {"anyOf": [shape.schema() for shape in self.shapes]}

    def tables(self) -> "Iterator[Table]":
        """Yield those of all of them."""
        for shape in self.shapes:
            yield from shape.tables()


@dataclass(frozen=True, eq=False)
class Entry:
    """A field of a table: what it holds, what it says, and whether it must stand there."""

    shape: Shape
    says: str
    required: bool = False


@dataclass(frozen=True, eq=False)
class Table(Shape):
    """A mapping of fields. Unknown, doubled and missing ones are noted.

    Attributes:
        key: What it is called in the schema and in the reference.
        what: What it is, as a sentence begins: `a cap`.
        rules: What the schema says of it besides its fields.
    """

    key: str
    what: str
    fields: Mapping[str, Entry]
    rules: Mapping[str, object] = field(default_factory=dict)

    def read(self, source: Source, node: yaml.Node, name: str) -> "Part":  # noqa: ARG002 -- it has its own name
        """Return what could be read."""
        nodes = _fields_of(source, node, self.what, self.fields)
        if isinstance(node, yaml.MappingNode):
            for known, entry in self.fields.items():
                if entry.required and known not in nodes:
                    source.note(Code.MISSING_FIELD, node, f"{self.what} needs the field {known!r}")
        taken = {field: take(source, held, field, self.fields[field].shape) for field, held in nodes.items()}
        return Part(self.key, source, node, nodes, {field: found for field, found in taken.items() if found})

    def schema(self) -> dict[str, object]:
        """Return a reference; the table itself is defined once."""
        return {"$ref": f"#/$defs/{self.key}"}

    def tables(self) -> "Iterator[Table]":
        """Yield itself."""
        yield self


@dataclass(frozen=True, eq=False)
class MapOf(Shape):
    """A mapping whose keys are the author's own names."""

    what: str
    is_name: Callable[[str], bool]
    names: Mapping[str, object]
    hint: str
    value: Shape

    def read(self, source: Source, node: yaml.Node, name: str) -> "Part":
        """Return what could be read."""
        nodes = _fields_of(source, node, self.what, None)
        if isinstance(node, yaml.MappingNode) and not node.value:
            raise Fault(Code.MISSING_FIELD, f"{name!r} is empty")
        taken: dict[str, Located[object]] = {}
        for key, held in nodes.items():
            if not self.is_name(key):
                source.note(Code.BAD_VALUE, held, f"{key!r} in {name!r} is no name of a fact", self.hint)
            elif (found := take(source, held, key, self.value)) is not None:
                taken[key] = found
        return Part(self.what, source, node, nodes, taken)

    def schema(self) -> dict[str, object]:
        """Return the schema of an open object."""
        named = {"propertyNames": dict(self.names), "additionalProperties": self.value.schema()}
        return {"type": "object", "minProperties": 1, **named}


class Part:
    """A mapping of a campaign file, as far as it could be read."""

    def __init__(
        self,
        key: str,
        source: Source,
        node: yaml.Node,
        nodes: Mapping[str, yaml.Node],
        taken: Mapping[str, Located[object]],
    ) -> None:
        self.key = key
        self.source = source
        self.node = node
        self._nodes = nodes
        self._taken = taken

    @property
    def names(self) -> Collection[str]:
        """The fields that stand there, be they faulty."""
        return self._nodes.keys()

    def node_of(self, name: str) -> yaml.Node | None:
        """Return the node of a field, be it faulty; None where it is absent."""
        return self._nodes.get(name)

    def located(self, name: str, kind: type[T]) -> Located[T] | None:
        """Return a field's value with its place; None where it is absent, faulty, or of another form."""
        found = self._taken.get(name)
        if found is None or not isinstance(found.value, kind):
            return None
        return Located(found.value, found.node)

    def get(self, name: str, kind: type[T]) -> T | None:
        """Return a field's value; None where it is absent, faulty, or of another form."""
        found = self.located(name, kind)
        return None if found is None else found.value

    def need(self, name: str, kind: type[T]) -> T:
        """Return the value of a field that must be there when nothing is wrong with the file."""
        value = self.get(name, kind)
        if value is None:
            raise InvariantViolation("a campaign without problems has every required field")
        return value

    def parts(self, name: str) -> "tuple[Part, ...]":
        """Return the mappings of a field that holds one or a list of them."""
        value = self.get(name, object)
        if isinstance(value, Part):
            return (value,)
        return tuple(entry for entry in value if isinstance(entry, Part)) if isinstance(value, tuple) else ()

    def all_of(self, kind: type[T], names: Collection[str] | None = None) -> dict[str, Located[T]]:
        """Return the values of one kind by their fields, of those named or of all."""
        wanted = self._taken if names is None else names
        found = {name: self.located(name, kind) for name in wanted}
        return {name: value for name, value in found.items() if value is not None}

    def note(self, code: Code, name: str, message: str, hint: str = "", offset: int | None = None) -> None:
        """Note a problem at a field, or at the mapping where there is no such field."""
        self.source.note(code, self._nodes.get(name, self.node), message, hint, offset)


def take(source: Source, node: yaml.Node, name: str, shape: Shape) -> Located[object] | None:
    """Return what a node holds; None, with its fault noted, where it cannot be read."""
    try:
        return Located(shape.read(source, node, name), node)
    except Fault as fault:
        source.note(fault.code, node, fault.message, fault.hint)
        return None


def _fields_of(source: Source, node: yaml.Node, what: str, known: Collection[str] | None) -> dict[str, yaml.Node]:
    """Return the nodes of a mapping by their keys; None known: any key that is a plain name."""
    nodes: dict[str, yaml.Node] = {}
    if not isinstance(node, yaml.MappingNode):
        source.note(Code.WRONG_TYPE, node, f"{what} must be a mapping of fields, `name: value`")
        return nodes
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name is None or (known is not None and name not in known):
            shown = repr(name) if name is not None else "that is no plain name"
            hint = suggestion(name or "", known or ())
            source.note(Code.UNKNOWN_FIELD, key, f"{what} has no field {shown}", hint)
        elif name in nodes:
            source.note(Code.DUPLICATE_KEY, key, f"the field {name!r} stands twice", "keep one of them")
        else:
            nodes[name] = value
    return nodes
