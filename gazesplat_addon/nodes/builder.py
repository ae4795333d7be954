# SPDX-License-Identifier: GPL-3.0-or-later
"""Node trees written as formulas: a thin wrapper that turns Python operators into nodes.

A ``Value`` is an output socket (or a plain number) that knows its builder, so that ``a * b + 1.0``
makes a Math or a Vector Math node by the types it meets. Nothing is folded or optimised: what is
written is what Blender evaluates.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import bpy

from .. import compat
from .layout import arrange

_VECTOR_TYPES = {"VECTOR", "RGBA"}


class Value:
    """An output socket with arithmetic."""

    __slots__ = ("builder", "socket")
    __hash__ = None

    def __init__(self, builder: Builder, socket: bpy.types.NodeSocket) -> None:
        self.builder = builder
        self.socket = socket

    @property
    def is_vector(self) -> bool:
        """Whether arithmetic with this socket is done by Vector Math."""
        return self.socket.type in _VECTOR_TYPES

    def __add__(self, other: Operand) -> Value:
        return self.builder.arithmetic("ADD", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self.builder.arithmetic("ADD", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.builder.arithmetic("SUBTRACT", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.builder.arithmetic("SUBTRACT", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.builder.arithmetic("MULTIPLY", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self.builder.arithmetic("MULTIPLY", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self.builder.arithmetic("DIVIDE", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.builder.arithmetic("DIVIDE", other, self)

    def __neg__(self) -> Value:
        return self.builder.arithmetic("MULTIPLY", self, -1.0)

    def __lt__(self, other: Operand) -> Value:
        return self.builder.compare("LESS_THAN", self, other)

    def __le__(self, other: Operand) -> Value:
        return self.builder.compare("LESS_EQUAL", self, other)

    def __gt__(self, other: Operand) -> Value:
        return self.builder.compare("GREATER_THAN", self, other)

    def __ge__(self, other: Operand) -> Value:
        return self.builder.compare("GREATER_EQUAL", self, other)

    def equals(self, other: Operand) -> Value:
        """Return a boolean socket; exact for integers, within 1e-3 for floats (Blender's own epsilon)."""
        return self.builder.compare("EQUAL", self, other)

    def both(self, other: Value) -> Value:
        """Return self AND other."""
        return self.builder.node("FunctionNodeBooleanMath", self, other, operation="AND")

    def either(self, other: Value) -> Value:
        """Return self OR other."""
        return self.builder.node("FunctionNodeBooleanMath", self, other, operation="OR")

    def xyz(self) -> tuple[Value, Value, Value]:
        """Return the three components of a vector."""
        outputs = self.builder.outputs("ShaderNodeSeparateXYZ", self)
        return outputs["X"], outputs["Y"], outputs["Z"]


# What arithmetic takes: a socket, a number, or three numbers.
Operand = Value | float | int | Sequence[float]


class Builder:
    """Adds nodes to one tree; used once, while the tree is made."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree
        self._panel: bpy.types.NodeTreeInterfacePanel | None = None

    # ------------------------------------------------------------ interface

    def panel(self, name: str) -> None:
        """Put the inputs declared from here on into a closed panel of the interface."""
        self._panel = self.tree.interface.new_panel(name, default_closed=True)

    def input(self, name: str, kind: str, default: object = None, *, low: float | None = None, high: float | None = None,
              description: str = "") -> None:
        """Declare a group input. ``kind`` is the socket's type without its prefix: "Float", "Vector", "Geometry"."""
        item = self.tree.interface.new_socket(name, in_out="INPUT", socket_type=f"NodeSocket{kind}", description=description,
                                              parent=self._panel)
        if low is not None:
            item.min_value = low
        if high is not None:
            item.max_value = high
        if default is not None:
            item.default_value = default

    def output(self, name: str, kind: str) -> None:
        """Declare a group output."""
        self.tree.interface.new_socket(name, in_out="OUTPUT", socket_type=f"NodeSocket{kind}")

    def group_inputs(self) -> dict[str, Value]:
        """Return the declared inputs by name."""
        return self.outputs("NodeGroupInput")

    def finish(self, results: Mapping[str, Value]) -> None:
        """Connect the declared outputs and lay the nodes out."""
        node = self.tree.nodes.new("NodeGroupOutput")
        for name, value in results.items():
            self._put(node.inputs[name], value)
        arrange(self.tree)

    # ------------------------------------------------------------ nodes

    def _put(self, socket: bpy.types.NodeSocket, value: Operand) -> None:
        if isinstance(value, Value):
            self.tree.links.new(value.socket, socket)
        else:
            socket.default_value = value

    def raw(self, kind: str, *inputs: Operand | None, **properties: object) -> bpy.types.Node:
        """Add a node: properties first (they decide which sockets are shown), then inputs in the order shown."""
        node = self.tree.nodes.new(kind)
        for name, value in properties.items():
            setattr(node, name, value)
        shown = [socket for socket in node.inputs if socket.enabled and socket.type != "CUSTOM"]
        for socket, value in zip(shown, inputs, strict=False):
            if value is not None:
                self._put(socket, value)
        return node

    def node(self, kind: str, *inputs: Operand | None, **properties: object) -> Value:
        """Add a node and return its first shown output."""
        node = self.raw(kind, *inputs, **properties)
        return Value(self, next(socket for socket in node.outputs if socket.enabled))

    def outputs(self, kind: str, *inputs: Operand | None, **properties: object) -> dict[str, Value]:
        """Add a node and return its shown outputs by name."""
        node = self.raw(kind, *inputs, **properties)
        return {socket.name: Value(self, socket) for socket in node.outputs if socket.enabled and socket.type != "CUSTOM"}

    def group(self, tree: bpy.types.NodeTree, inputs: Mapping[str, Operand]) -> dict[str, Value]:
        """Add an instance of a node group and return its outputs by name. What is not given keeps the group's default."""
        kind = "ShaderNodeGroup" if self.tree.bl_idname == "ShaderNodeTree" else "GeometryNodeGroup"
        node = self.raw(kind, node_tree=tree)
        for name, value in inputs.items():
            self._put(node.inputs[name], value)
        return {socket.name: Value(self, socket) for socket in node.outputs if socket.enabled and socket.type != "CUSTOM"}

    # ------------------------------------------------------------ arithmetic

    def arithmetic(self, operation: str, a: Operand, b: Operand) -> Value:
        """Return ``a operation b``: Vector Math if either is a vector, Scale for vector times number."""
        a_vector, b_vector = _is_vector(a), _is_vector(b)
        if not (a_vector or b_vector):
            return self.math(operation, a, b)
        if operation == "MULTIPLY" and a_vector != b_vector:
            return self.scale(a, b) if a_vector else self.scale(b, a)
        if operation == "DIVIDE" and a_vector and not b_vector:
            return self.scale(a, 1.0 / b if isinstance(b, int | float) else self.math("DIVIDE", 1.0, b))
        return self.vector_math(operation, _spread(a), _spread(b))

    def math(self, operation: str, *operands: Operand) -> Value:
        """Add a Math node."""
        return self.node("ShaderNodeMath", *operands, operation=operation)

    def vector_math(self, operation: str, *operands: Operand) -> Value:
        """Add a Vector Math node."""
        return self.node("ShaderNodeVectorMath", *operands, operation=operation)

    def scale(self, vector: Operand, factor: Operand) -> Value:
        """Return vector * factor."""
        return self.vector_math("SCALE", vector, factor)

    def compare(self, operation: str, a: Operand, b: Operand) -> Value:
        """Add a Compare node for numbers, integers where the first is an integer socket."""
        kind = "INT" if isinstance(a, Value) and a.socket.type == "INT" else "FLOAT"
        return self.node("FunctionNodeCompare", a, b, data_type=kind, operation=operation)

    def dot(self, a: Operand, b: Operand) -> Value:
        """Return the scalar product of two vectors."""
        return self.vector_math("DOT_PRODUCT", a, b)

    def vector(self, x: Operand, y: Operand, z: Operand) -> Value:
        """Return a vector from three numbers."""
        return self.node("ShaderNodeCombineXYZ", x, y, z)

    def sqrt(self, a: Operand) -> Value:
        """Return the square root, 0 for negative numbers."""
        return self.math("SQRT", a)

    def maximum(self, a: Operand, b: Operand) -> Value:
        """Return the larger of two numbers."""
        return self.math("MAXIMUM", a, b)

    def minimum(self, a: Operand, b: Operand) -> Value:
        """Return the smaller of two numbers."""
        return self.math("MINIMUM", a, b)

    def clamp(self, a: Operand, low: Operand, high: Operand) -> Value:
        """Return a number held between two limits."""
        return self.maximum(self.minimum(a, high), low)

    def log(self, a: Operand) -> Value:
        """Return the natural logarithm, 0 for numbers that have none."""
        return self.math("LOGARITHM", a, 2.718281828459045)

    def power(self, base: Operand, exponent: Operand) -> Value:
        """Return base ** exponent."""
        return self.math("POWER", base, exponent)

    def exp(self, a: Operand) -> Value:
        """Return e ** a."""
        return self.math("EXPONENT", a)

    def absolute(self, a: Operand) -> Value:
        """Return the magnitude of a number."""
        return self.math("ABSOLUTE", a)

    def length(self, a: Operand) -> Value:
        """Return the length of a vector."""
        return self.vector_math("LENGTH", a)

    def smoothstep(self, low: Operand, high: Operand, x: Operand) -> Value:
        """Return the Hermite step of x from 0 at ``low`` to 1 at ``high``, low < high."""
        return self.node("ShaderNodeMapRange", x, low, high, 0.0, 1.0, interpolation_type="SMOOTHSTEP", clamp=True)

    def rotate(self, vector: Operand, rotation: Value) -> Value:
        """Return the vector turned by a rotation."""
        return self.node("FunctionNodeRotateVector", vector, rotation)

    def axis_angle(self, axis: Operand, angle_rad: Operand) -> Value:
        """Return a rotation about an axis."""
        return self.node("FunctionNodeAxisAngleToRotation", axis, angle_rad)

    def position(self) -> Value:
        """Return the position field."""
        return self.node("GeometryNodeInputPosition")

    def switch(self, condition: Value, if_true: Operand, if_false: Operand | None, kind: str) -> Value:
        """Return one of two values of socket type ``kind`` ("FLOAT", "VECTOR", "GEOMETRY", "ROTATION"); None: nothing."""
        return self.node("GeometryNodeSwitch", condition, if_false, if_true, input_type=kind)

    # ------------------------------------------------------------ attributes

    def attribute(self, name: str, kind: str) -> Value:
        """Return a named attribute of type ``kind`` ("FLOAT", "FLOAT_VECTOR", "FLOAT_COLOR", "QUATERNION", "INT")."""
        return self.node("GeometryNodeInputNamedAttribute", name, data_type=kind)

    def accumulate(self, value: Operand, group: Value | None, kind: str) -> Value:
        """Return the running sum over the points, this one included, within each group of equal ids."""
        return self.node("GeometryNodeAccumulateField", value, group, data_type=kind, domain="POINT")

    def store(self, geometry: Value, name: str, value: Value, kind: str) -> Value:
        """Write a named point attribute."""
        return self.node("GeometryNodeStoreNamedAttribute", geometry, None, name, value, data_type=kind, domain="POINT")

    def remove(self, geometry: Value, pattern: str) -> Value:
        """Remove the named attributes that match a pattern with ``*``."""
        node = self.tree.nodes.new("GeometryNodeRemoveAttribute")
        compat.set_remove_attribute_wildcard(node)
        self._put(node.inputs["Geometry"], geometry)
        self._put(node.inputs["Name"], pattern)
        return Value(self, node.outputs[0])

    def join(self, *geometries: Value) -> Value:
        """Return all geometries as one; attributes that one of them lacks become zero there."""
        node = self.tree.nodes.new("GeometryNodeJoinGeometry")
        for geometry in reversed(geometries):   # the newest link of a multi-input comes first
            self._put(node.inputs[0], geometry)
        return Value(self, node.outputs[0])

    def capture(self, geometry: Value, **fields: tuple[str, Value]) -> tuple[Value, dict[str, Value]]:
        """Evaluate several fields at once on the points: one node shares what the fields have in common.

        ``fields`` maps a name to (socket type, field). Returns the geometry and the captured values.
        """
        node = self.tree.nodes.new("GeometryNodeCaptureAttribute")
        node.domain = "POINT"
        for name, (kind, _) in fields.items():
            node.capture_items.new(kind, name)
        self._put(node.inputs["Geometry"], geometry)
        for name, (_, field) in fields.items():
            self._put(node.inputs[name], field)
        return Value(self, node.outputs["Geometry"]), {name: Value(self, node.outputs[name]) for name in fields}


def _is_vector(operand: Operand) -> bool:
    return operand.is_vector if isinstance(operand, Value) else not isinstance(operand, int | float)


def _spread(operand: Operand) -> Operand:
    """Make a plain number a vector; a number socket converts by itself."""
    return (operand,) * 3 if isinstance(operand, int | float) else operand
