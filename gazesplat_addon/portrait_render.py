# SPDX-License-Identifier: GPL-3.0-or-later
"""How a portrait's scene is rendered, as an artist types it: engine, colour, the check of both, and the linear refit."""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..backend.contract.errors import GazeSplatError
from .engine import set_up
from .farm import check as farm_check
from .farm.finding import FarmCheck
from .scene import colour, portrait_object, render_settings, store, surroundings

if TYPE_CHECKING:
    from .linear_refit_job import LinearRefitJob

ENGINES = {"cycles": "CYCLES", "eevee": "EEVEE"}
COLOUR_MODES = {"exact": colour.EXACT, "scene-linear": colour.SCENE_LINEAR}


class Rendering:
    """Part of ``Portrait``: what its scene needs to show it right."""

    def setup_render(self, *, engine: str = "cycles", colour_mode: str = "exact") -> list[str]:
        """Set engine, samples, light paths and colour of the portrait's scene; return what was changed, a line each.

        ``engine`` is "cycles", "eevee", or "gazesplat", which needs the backend. ``colour_mode`` is "exact", which a group
        in the compositor completes, or "scene-linear", which sits in any scene beside other things; the engine
        "gazesplat" delivers the exact picture in linear light either way. The camera becomes the photo's where the scene has none.
        """
        if colour_mode not in COLOUR_MODES:
            raise GazeSplatError("bad-value", f"There is no colour mode {colour_mode!r}.", f"Choose one of {', '.join(COLOUR_MODES)}.")
        if engine == "gazesplat":
            changes = set_up.prepare(self.scene)
            if self.scene.camera is None and store.CAMERA in store.parts_of(self.root):
                changes += portrait_object.frame_photo(self.root, self.scene)
            return [str(change) for change in changes]
        if engine not in ENGINES:
            raise GazeSplatError("bad-value", f"There is no engine {engine!r}.", f"Choose one of {', '.join((*ENGINES, 'gazesplat'))}.")
        return [str(change) for change in portrait_object.set_up_render(self.root, self.scene, engine=ENGINES[engine],
                                                                         colour_mode=COLOUR_MODES[colour_mode])]

    def frame_photo(self) -> list[str]:
        """Make the photo's camera the scene's, in the photo's format; return what was changed, a line each.

        Raises GazeSplatError ``part-deleted`` where that camera is gone, and for plain splats, which have none.
        """
        self._part(store.CAMERA)
        return [str(change) for change in portrait_object.frame_photo(self.root, self.scene)]

    def hide_enclosing(self) -> list[str]:
        """Hide, from viewports and renders, what the portrait stands inside of; return the objects' names.

        That is what Blender's start-up cube does to a first portrait. Rooms and sets, larger than 2.5 m, stay.
        """
        things = surroundings.enclosing(self.root, self.scene)
        surroundings.hide(things)
        return [one.name for one in things]

    def render_problems(self) -> list[str]:
        """Return a sentence for each setting that would render the portrait wrongly; empty when all is well."""
        return render_settings.render_problems(self.scene)

    def check_farm(self, *, fix: bool = False) -> FarmCheck:
        """Ask whether a machine without GazeSplat, scripts switched off, would render the portrait's scene as it is seen here.

        Returns a ``FarmCheck``: ``.passed``, ``.findings`` (each with a code, a sentence and a way out), ``.text``. ``fix`` mends first
        what can be mended by itself: engine, colours and samples, files that can be packed, splats out of bounds.
        """
        return farm_check.check(self.scene, roots=[self.root], fix=fix)

    def refit_linear(self, *, wait: bool = True, queue: bool = False,
                     quality: str = "high") -> dict[str, dict[str, float]] | LinearRefitJob:
        """Fit a second set of colours with which scene-linear blending gives the exact picture, in the backend.

        They lie beside the portrait's files (``portrait.linear.npz``) and show in the colour mode "scene-linear"; a
        portrait from a photo has them already, fitted less long. Plain splats can have them too.

        wait     True prints the progress, waits and returns figures: {"before": {"psnr_db", "bias_percent", ...}, "after": ...};
                 False returns at once a job with ``.state .progress .poll() .cancel() .result()``
        queue    with wait=False: let it wait in the panel until the jobs before it are done
        quality  "draft", "standard" or "high"

        Raises GazeSplatError: ``no-backend``, ``no-file``, ``no-permission``, and what the backend says.
        """
        from . import linear_refit_job  # a job brings its result in as a portrait: that module imports this one

        return linear_refit_job.refit(self, wait=wait, queue=queue, quality=quality)
