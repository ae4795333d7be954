# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of the live display under any view: what Blender itself writes into a file for the same light, drawn without a window."""
from __future__ import annotations

from types import SimpleNamespace

import bpy
import gpu
import numpy as np
import pytest

from gazesplat.gazesplat_addon.scene import colour, view_tables
from gazesplat.gazesplat_addon.viewport.uniforms import View
from tests.offscreen import pixels, start_gpu

STEP = 1.0 / 255.0
# A parallel one that shows depths of 0 to 2 m.
VIEW = View(np.eye(4), np.diag([1.0, 1.0, -1.0, 1.0]) - np.outer([0, 0, 1, 0], [0, 0, 0, 1]), 24, 24)
SIDE = 24
VIEWS = [{}, {"exposure": 0.7, "gamma": 1.3}, {"view_transform": "AgX"},
         {"view_transform": "AgX", "look": "AgX - Punchy", "exposure": -0.5, "gamma": 0.9},
         {"view_transform": "Filmic", "look": "High Contrast", "exposure": 1.5}, {"view_transform": "Khronos PBR Neutral"},
         {"view_transform": "Filmic", "use_curve_mapping": True}, {"use_white_balance": True, "white_balance_temperature": 4500.0}]
NAMES = ["-".join(str(value).replace(" ", "") for value in one.values()) or "Standard" for one in VIEWS]


@pytest.fixture
def scene():
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.view_settings.view_transform = "Standard"
    return scene


def choose(scene: bpy.types.Scene, settings: dict) -> None:
    for name, value in settings.items():
        setattr(scene.view_settings, name, value)
    if settings.get("use_curve_mapping"):
        scene.view_settings.curve_mapping.curves[3].points.new(0.4, 0.6)
        scene.view_settings.curve_mapping.update()


def skin(tint: float = 0.25) -> np.ndarray:
    """Return display values (SIDE, SIDE, 3): greys, and skin, hair, eyes and clothes."""
    rng = np.random.default_rng(0)
    grey = np.linspace(0.0, 1.1, SIDE * SIDE, dtype=np.float32)[:, None]
    tints = tint * rng.uniform(-1.0, 1.0, (SIDE * SIDE, 3)).astype(np.float32) * np.array([1.0, 0.6, 1.0], np.float32)
    return np.maximum(grey + tints * np.minimum(grey, 1.0), 0.0).reshape(SIDE, SIDE, 3)


def light_of(display: np.ndarray) -> np.ndarray:
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4).astype(np.float32)


def as_written(light: np.ndarray, scene: bpy.types.Scene, tmp_path) -> np.ndarray:
    """Return what Blender makes of an image (SIDE, SIDE, 3) of light when it writes it for a scene."""
    image = bpy.data.images.new("light", SIDE, SIDE, float_buffer=True)
    image.pixels.foreach_set(np.concatenate([light, np.ones_like(light[..., :1])], 2).ravel())
    files = scene.render.image_settings
    files.file_format, files.color_mode, files.color_depth, scene.render.dither_intensity = "PNG", "RGB", "16", 0.0
    path = str(tmp_path / "written.png")
    image.save_render(path, scene=scene)
    written = bpy.data.images.load(path)
    written.colorspace_settings.name = "Non-Color"
    return np.array(written.pixels[:], np.float32).reshape(SIDE, SIDE, -1)[..., :3]


def texture(values: np.ndarray, kind: str) -> gpu.types.GPUTexture:
    flat = np.ascontiguousarray(values, np.float32).ravel()
    return gpu.types.GPUTexture((SIDE, SIDE), format=kind, data=gpu.types.Buffer("FLOAT", len(flat), flat))


def painted_a_metre_away(colours: np.ndarray) -> SimpleNamespace:
    """Return what a painter would hold of opaque splats of such colours."""
    return SimpleNamespace(blended=texture(np.concatenate([colours, np.ones_like(colours[..., :1])], 2), "RGBA32F"),
                           depth=texture(np.ones((SIDE, SIDE)), "R32F"))


def composited(colours: np.ndarray, viewing) -> np.ndarray:
    """Return the display values that the composite pass shows for opaque splats of such colours."""
    from gazesplat.gazesplat_addon.viewport import composite
    from gazesplat.gazesplat_addon.viewport.viewing import ViewTables

    painted = painted_a_metre_away(colours)
    tables = ViewTables()
    assert tables.has(viewing) or viewing.steps != (0, 0, 1.0, 1.0)
    tables.make(viewing)
    assert tables.has(viewing)
    target = gpu.types.GPUTexture((SIDE, SIDE), format="RGBA32F")
    with gpu.types.GPUFrameBuffer(color_slots=[target]).bind():
        composite.composite(painted, VIEW, (0, 0), viewing.steps, tables.textures(viewing), depth_test=False)
    return pixels(target)[::-1, :, :3] ** (1.0 / 2.2)


@pytest.mark.parametrize(("before", "through", "share"), [(0.51, 0.0, 1.0), (0.49, 0.0, 0.0), (0.49, 0.4, 0.4)])
def test_what_stands_in_front_hides_splats_unless_x_ray_shows_them(scene, before, through, share):
    """``before`` is where it stands, in the depth of the buffer; the splats are at 0.5."""
    start_gpu()
    from gazesplat.gazesplat_addon.viewport import composite
    from gazesplat.gazesplat_addon.viewport.viewing import AS_THEY_ARE

    screen = gpu.types.GPUOffScreen(SIDE, SIDE, format="RGBA32F")
    with screen.bind():
        gpu.state.depth_mask_set(True)
        gpu.state.active_framebuffer_get().clear(color=(0.0, 0.0, 0.0, 0.0), depth=before)
        grey = painted_a_metre_away(np.full((SIDE, SIDE, 3), 0.5))
        composite.composite(grey, VIEW, (0, 0), AS_THEY_ARE.steps, (None, None), depth_test=True, through=through)
    np.testing.assert_allclose(pixels(screen.texture_color)[..., 3], share, atol=1e-6)


def test_clipping_region_cuts(scene):
    start_gpu()
    from gazesplat.gazesplat_addon.viewport import composite
    from gazesplat.gazesplat_addon.viewport.viewing import AS_THEY_ARE

    turned = np.eye(4)
    turned[:2, :2] = [[0.0, 1.0], [-1.0, 0.0]]      # the world's x is the view's -y
    view = View(turned, VIEW.projection, SIDE, SIDE)
    planes = np.zeros((6, 4))
    planes[0] = 1.0, 0.0, 0.0, 0.5       # of the world, x > -0.5 stays: a quarter at the view's top goes
    cut = composite.cutting_planes(SimpleNamespace(use_clip_planes=True, clip_planes=planes), view)
    screen = gpu.types.GPUOffScreen(SIDE, SIDE, format="RGBA32F")
    with screen.bind():
        gpu.state.active_framebuffer_get().clear(color=(0.0, 0.0, 0.0, 0.0))
        grey = painted_a_metre_away(np.full((SIDE, SIDE, 3), 0.5))
        composite.composite(grey, view, (0, 0), AS_THEY_ARE.steps, (None, None), depth_test=False, cut=cut)
    shown = pixels(screen.texture_color)[..., 3]
    assert (shown[:SIDE // 4] == 0.0).all() and (shown[SIDE // 4:] == 1.0).all()


def error_of(shown: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return how far what is shown lies from what is wanted (N,), but for what is nearly black: there the layer's 8 bits decide."""
    return np.abs(shown - wanted)[wanted > 7 * STEP]


def test_nearly_black_goes_to_the_nearer_value_that_the_layer_has(scene):
    start_gpu()
    from gazesplat.gazesplat_addon.viewport.viewing import AS_THEY_ARE

    colours = np.linspace(0.0, 8 * STEP, SIDE * SIDE * 3, dtype=np.float32).reshape(SIDE, SIDE, 3)
    layer = composited(colours, AS_THEY_ARE) ** 2.2
    stored = np.rint(np.where(layer <= 0.0031308, 12.92 * layer, 1.055 * layer ** (1 / 2.4) - 0.055) / STEP) * STEP     # as an sRGB texture
    displayed = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4) ** (1 / 2.2)
    assert np.abs(displayed - colours).max() < 3.25 * STEP


@pytest.mark.parametrize("settings", VIEWS, ids=NAMES)
def test_light_is_shown_as_blender_writes_it(scene, settings, tmp_path):
    start_gpu()
    from gazesplat.gazesplat_addon.viewport.viewing import viewing_of

    choose(scene, settings)
    light = light_of(skin())
    error = error_of(composited(light, viewing_of(scene, scene_linear=True)), as_written(light, scene, tmp_path))
    # Where a white balance or a curve clips a channel, the table rounds the corner.
    assert error.max() < (3.5 if "use_white_balance" in settings else 2.0) * STEP and error.mean() < 0.2 * STEP


# What Khronos' view squeezes together below white, a table of its inverse cannot part: that one is 11/255 off.
@pytest.mark.parametrize("settings", [one for one in VIEWS if one.get("view_transform") != "Khronos PBR Neutral"])
def test_exact_colours_are_shown_as_the_decoded_picture_is_written(scene, settings, tmp_path):
    start_gpu()
    from gazesplat.gazesplat_addon.viewport.viewing import AS_THEY_ARE, viewing_of

    choose(scene, settings)
    view = scene.view_settings.view_transform
    neutral = not settings
    colours = 0.8 * skin(0.12).clip(0.02, 1.0)     # bright colours that AgX cannot show have no inverse
    viewing = viewing_of(scene, scene_linear=False)
    assert (viewing == AS_THEY_ARE) == neutral
    decoded = light_of(colours)
    if view != "Standard":
        decoded = view_tables.light_of(np.broadcast_to(colours[None], (SIDE, *colours.shape)), colour.INVERSE_OF_VIEW[view])[0]
    wanted = colours if neutral else as_written(decoded, scene, tmp_path)
    error = error_of(composited(colours, viewing), wanted)
    assert np.ptp(wanted) > 0.5
    assert error.max() < (3.5 if "use_white_balance" in settings else 2.0) * STEP and error.mean() < 0.3 * STEP


def test_the_view_before_is_shown_until_the_tables_are_made(scene):
    start_gpu()
    from gazesplat.gazesplat_addon.viewport.display import LiveDisplay
    from gazesplat.gazesplat_addon.viewport.viewing import viewing_of

    live, standard = LiveDisplay(), viewing_of(scene, scene_linear=True)
    assert live._viewing(scene, True)[0] == standard
    scene.view_settings.view_transform = "Filmic"
    filmic = viewing_of(scene, scene_linear=True)
    assert live._viewing(scene, True)[0] == standard != filmic
    live.make_tables()
    viewing, tables = live._viewing(scene, True)
    assert viewing == filmic and tables[1] is not None
    scene.view_settings.exposure = 1.0      # needs no new table
    assert live._viewing(scene, True)[0].exposure == 1.0 and live._viewing(scene, True)[1][1] is tables[1]


def test_the_compositors_decoder_counts(scene):
    assert colour.decoding_space(scene) == "sRGB"
    scene.view_settings.view_transform = "AgX"
    assert colour.decoding_space(scene) == "AgX Base sRGB"
    colour.use_exact_colour(scene, view="Standard")
    scene.view_settings.view_transform = "AgX"        # F12 now shows decoded sRGB through AgX
    assert colour.decoding_space(scene) == "sRGB"


def test_making_tables_leaves_nothing(scene):
    before = len(bpy.data.scenes), len(bpy.data.images)
    settings = view_tables.ViewSettings(view="Filmic", look="None")
    cube = view_tables.viewed(np.full((2, 2, 2, 3), 0.18, np.float32), settings)
    assert cube.shape == (2, 2, 2, 3) and np.ptp(cube) == 0.0 and 0.3 < cube.max() < 0.6
    with pytest.raises(TypeError):
        view_tables.viewed(cube, view_tables.ViewSettings(view="No such view"))
    assert (len(bpy.data.scenes), len(bpy.data.images)) == before
