# SPDX-License-Identifier: GPL-3.0-or-later
"""The shaders: GLSL from ``glsl/``, with the constants of the numpy twin."""
from __future__ import annotations

from functools import cache
from pathlib import Path

import gpu

from ..nodes.ewa_quads import ALPHA_CUT, FRUSTUM, NEAR_M
from ..rig import globe, lids, parts, posed_eye
from ..rig.sidecar import CURVE_TERMS
from ..scene import view_tables
from ..splat import harmonics
from . import viewing
from .traffic import COLUMNS

QUADS = 64     # an instance: cards fill their lanes badly with four vertices each

_FOLDER = Path(__file__).parent / "glsl"
_DEFINES = {
    "COLUMNS": COLUMNS, "QUADS": QUADS, "CURVE_TERMS": CURVE_TERMS, "ALPHA_CUT": ALPHA_CUT, "FRUSTUM": FRUSTUM, "NEAR_M": NEAR_M,
    "STRETCH_LIMIT": posed_eye.STRETCH_LIMIT, "HIGHLIGHT_EDGE": posed_eye.HIGHLIGHT_EDGE[0], "HIGHLIGHT_SOFT": posed_eye.HIGHLIGHT_EDGE[1],
    **{name: getattr(globe, name) for name in ("SHADE_CORNER_IRIS_RADII", "SHADE_UPPER_IRIS_RADII", "SHADE_LOWER_IRIS_RADII")},
    **{name: getattr(lids, name) for name in ("STILL_IRIS_RADII", "FLAT_SHARE", "TAPER_POWER", "LASH_CORNER_SHARE",
                                              "BESIDE_IRIS_RADII", "CARRIED_WHOLE_SHARE", "OVERLAP_FROM_SHARE", "OVERLAP_END_IRIS_RADII",
                                              "LEAD_WHOLE_SHARE")},
    "CORNER_CARRIED_INNER": lids.CORNER_CARRIED[0], "CORNER_CARRIED_OUTER": lids.CORNER_CARRIED[1],
    **{name: getattr(parts, name) for name in ("IRIS", "PUPIL", "SCLERA", "HIGHLIGHT", "UPPER_LID", "LOWER_LID", "UPPER_LASH",
                                               "LOWER_LASH", "UPPER_SHADE")},
    **{f"SH{name}": value for name, value in harmonics.NORMALISATIONS.items()},
}

_VIEW_DEFINES = {
    "VIEW_GRID": view_tables.VIEW_GRID, "INVERSE_GRID": view_tables.INVERSE_GRID, "CUBE_UNIT": view_tables.CUBE_UNIT,
    "STOPS_BELOW": float(view_tables.STOPS_BELOW), "POINTS_A_STOP": float(view_tables.POINTS_A_STOP),
    "SRGB_CURVE": float(viewing.SRGB_CURVE), "TABLE": float(viewing.TABLE),
}


def _info(*, vertex: str, fragment: str, uniforms: bool = False) -> gpu.types.GPUShaderCreateInfo:
    info = gpu.types.GPUShaderCreateInfo()
    for name, value in _DEFINES.items():
        info.define(name, repr(float(value)) if isinstance(value, float) else str(int(value)))
    if uniforms:
        info.typedef_source(_source("uniforms.glsl"))
        info.uniform_buf(0, "Portrait", "portrait")
    info.vertex_in(0, "VEC3", "corner")
    info.vertex_source(vertex)
    info.fragment_source(fragment)
    return info


@cache
def project_shader() -> gpu.types.GPUShader:
    """Return the shader of the pass with one fragment a splat: textures and a ``Portrait`` in, three textures out."""
    info = _info(vertex=_source("screen.vert.glsl"), fragment=_source("rig.glsl") + _source("project.glsl"), uniforms=True)
    for slot, name in enumerate(("means", "rotations", "scales", "colours", "sh_rest")):
        info.sampler(slot, "FLOAT_2D", name)
    for slot, name in enumerate(("placed", "axes", "painted")):
        info.fragment_out(slot, "VEC4", name)
    return gpu.shader.create_from_info(info)


@cache
def merge_shader() -> gpu.types.GPUShader:
    """Return the shader that puts the eyes' splats among the others: two textures in, cells in drawing order out."""
    info = _info(vertex=_source("screen.vert.glsl"), fragment=_source("merge.frag.glsl"))
    info.sampler(0, "FLOAT_2D", "still")
    info.sampler(1, "FLOAT_2D", "moving")
    info.push_constant("IVEC2", "counts")
    info.fragment_out(0, "FLOAT", "cell")
    return gpu.shader.create_from_info(info)


@cache
def quads_shader() -> gpu.types.GPUShader:
    """Return the shader that blends the projected splats in their order."""
    info = _info(vertex=_source("quads.vert.glsl"), fragment=_source("quads.frag.glsl"))
    for slot, name in enumerate(("order", "placed_tex", "axes_tex", "painted_tex")):
        info.sampler(slot, "FLOAT_2D", name)
    info.push_constant("VEC4", "picture")
    info.push_constant("INT", "total")
    between = gpu.types.GPUStageInterfaceInfo("gazesplat_quads")
    between.flat("VEC4", "shown")
    between.smooth("VEC3", "place")
    info.vertex_out(between)
    info.fragment_out(0, "VEC4", "blended")
    info.fragment_out(1, "VEC4", "blended_depth")
    return gpu.shader.create_from_info(info)


@cache
def composite_shader() -> gpu.types.GPUShader:
    """Return the shader that lays the blended splats over a viewport."""
    info = _info(vertex=_source("screen.vert.glsl"), fragment=_source("composite.frag.glsl"))
    info.sampler(0, "FLOAT_2D", "blended_tex")
    info.sampler(1, "FLOAT_2D", "depth_tex")
    info.sampler(2, "FLOAT_2D", "inverse_tex")
    info.sampler(3, "FLOAT_2D", "view_tex")
    for name, value in _VIEW_DEFINES.items():
        info.define(name, repr(value))
    info.push_constant("MAT4", "cut")
    info.push_constant("VEC4", "to_depth")
    info.push_constant("VEC3", "place")
    info.push_constant("VEC4", "steps")
    info.depth_write("ANY")
    info.fragment_out(0, "VEC4", "result")
    return gpu.shader.create_from_info(info)


def forget() -> None:
    """Let go of all shaders."""
    for shader in (project_shader, merge_shader, quads_shader, composite_shader):
        shader.cache_clear()


def _source(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")
