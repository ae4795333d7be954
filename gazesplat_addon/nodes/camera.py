# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: the active camera as seen from the splats' object, the same for perspective and parallel views."""
from __future__ import annotations

import bpy

from .builder import Builder
from .library import ensure_group

VERSION = 1


def camera_group() -> bpy.types.NodeTree:
    """Return the group. All outputs are single values, not fields.

    To Camera, To Object (matrices between the object's frame and the camera's, metres of the world);
    Camera Position and Backward (the camera's place and its +Z, in the object's frame); Depth Axis (its product with a
    position is the depth, but for a constant: more precise near the object's origin than the depth itself); Focal (p00, p11 of the
    projection), Offset (p02, p12: lens shift), Parallel (1 for orthographic), Camera Distance (from the world's origin).
    """
    return ensure_group("GazeSplat Camera", VERSION, _build)


def _build(b: Builder) -> None:
    b.output("To Camera", "Matrix")
    b.output("To Object", "Matrix")
    b.output("Camera Position", "Vector")
    b.output("Backward", "Vector")
    b.output("Depth Axis", "Vector")
    b.output("Focal", "Vector")
    b.output("Offset", "Vector")
    b.output("Parallel", "Float")
    b.output("Camera Distance", "Float")

    camera = b.node("GeometryNodeInputActiveCamera")
    # A camera that hangs below a scaled parent carries that scale, but engines render without it: it is
    # left out here. Object Info's own RELATIVE mode would keep it, so both objects are asked for the world.
    world = b.outputs("GeometryNodeObjectInfo", camera, transform_space="ORIGINAL")
    rigid = b.node("FunctionNodeCombineTransform", world["Location"], world["Rotation"])
    owner = b.node("GeometryNodeSelfObject")
    owner_world = b.outputs("GeometryNodeObjectInfo", owner, transform_space="ORIGINAL")["Transform"]
    to_object = b.node("FunctionNodeMatrixMultiply", b.node("FunctionNodeInvertMatrix", owner_world), rigid)
    to_camera = b.node("FunctionNodeMatrixMultiply", b.node("FunctionNodeInvertMatrix", rigid), owner_world)

    lens = b.outputs("GeometryNodeCameraInfo", camera)
    entries = b.outputs("FunctionNodeSeparateMatrix", lens["Projection Matrix"])
    rows = b.outputs("FunctionNodeSeparateMatrix", to_camera)
    parallel = b.switch(lens["Is Orthographic"], 1.0, 0.0, "FLOAT")
    b.finish({
        "To Camera": to_camera,
        "To Object": to_object,
        "Camera Position": b.node("FunctionNodeTransformPoint", (0.0, 0.0, 0.0), to_object),
        "Backward": b.node("FunctionNodeTransformDirection", (0.0, 0.0, 1.0), to_object),
        "Depth Axis": -b.vector(rows["Column 1 Row 3"], rows["Column 2 Row 3"], rows["Column 3 Row 3"]),
        "Focal": b.vector(entries["Column 1 Row 1"], entries["Column 2 Row 2"], 0.0),
        "Offset": b.vector(entries["Column 3 Row 1"], entries["Column 3 Row 2"], 0.0),
        "Parallel": parallel,
        "Camera Distance": b.length(world["Location"]),
    })
