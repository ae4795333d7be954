# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scene's colour management makes of splats, for the live display, which Blender's own does not reach.

Light goes through the view that F12 uses, in every shading mode. Exact colours are what Standard shows as they are, so nothing happens to
them under it. Under any other view they become light first, as at F12: AgX for one cannot show every colour, and has no exact inverse.
"""
from __future__ import annotations

from dataclasses import dataclass

import bpy
import gpu

from ..scene import colour
from ..scene.view_tables import ViewSettings, inverse_cube, view_cube, view_settings
from .traffic import cube_texture

STANDARD = ViewSettings()
SRGB = colour.INVERSE_OF_VIEW["Standard"]
# What the shader does first (to exact colours) and then (to light).
KEEP, SRGB_CURVE, TABLE = 0, 1, 2

# Scenes that are looked at in turn; each view takes 7 MB of the card.
KEPT_VIEWS = 4


@dataclass(frozen=True)
class Viewing:
    """What ``glsl/composite.frag.glsl`` does to a colour: from display values to light, exposure, view, gamma.

    space     whose decoding makes light of exact colours, None where they are light, or stay as they are
    settings  the view that light goes through, None for colours that stay as they are
    """

    space: str | None
    settings: ViewSettings | None
    exposure: float = 0.0
    gamma: float = 1.0

    @property
    def steps(self) -> tuple[float, float, float, float]:
        """What the shader takes: how to decode, how to view, factor on light, power on display values."""
        if self.settings is None:
            return KEEP, KEEP, 1.0, 1.0
        decode = KEEP if self.space is None else SRGB_CURVE if self.space == SRGB else TABLE
        return decode, SRGB_CURVE if self.settings == STANDARD else TABLE, 2.0 ** self.exposure, 1.0 / self.gamma


AS_THEY_ARE = Viewing(None, None)


def viewing_of(scene: bpy.types.Scene, *, scene_linear: bool) -> Viewing:
    """Return what F12 makes of a portrait's colours."""
    settings, view = view_settings(scene), scene.view_settings
    if scene_linear:
        return Viewing(None, settings, view.exposure, view.gamma)
    space = colour.decoding_space(scene)
    if (settings, space, view.exposure, view.gamma) == (STANDARD, SRGB, 0.0, 1.0):
        return AS_THEY_ARE
    return Viewing(space, settings, view.exposure, view.gamma)


class ViewTables:
    """Tables on the graphics card. They are made when Blender is idle, as no data may be made in a draw."""

    def __init__(self) -> None:
        self._views: dict[ViewSettings, gpu.types.GPUTexture] = {}
        self._inverses: dict[str, gpu.types.GPUTexture] = {}

    def has(self, viewing: Viewing) -> bool:
        """Return whether all that a viewing needs is there."""
        decode, view, *_ = viewing.steps
        return (decode != TABLE or viewing.space in self._inverses) and (view != TABLE or viewing.settings in self._views)

    def make(self, viewing: Viewing) -> None:
        """Make what a viewing needs; of views the last few are kept."""
        decode, view, *_ = viewing.steps
        if decode == TABLE and viewing.space not in self._inverses:
            self._inverses[viewing.space] = cube_texture(inverse_cube(viewing.space), "RGBA32F")
        if view == TABLE and viewing.settings not in self._views:
            for old in list(self._views)[:-(KEPT_VIEWS - 1)]:
                del self._views[old]
            self._views[viewing.settings] = cube_texture(view_cube(viewing.settings), "RGBA16F")

    def textures(self, viewing: Viewing) -> tuple[gpu.types.GPUTexture | None, gpu.types.GPUTexture | None]:
        """Return the tables that decode and that view."""
        return self._inverses.get(viewing.space), self._views.get(viewing.settings)
