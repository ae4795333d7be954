# SPDX-License-Identifier: GPL-3.0-or-later
"""The borders between the rooms (docs/architecture.md), held by walking the syntax trees."""
from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("gazesplat_addon", "operators", "panels", "backend")
BLENDER = {"bpy", "bpy_extras", "bmesh", "mathutils", "gpu", "gpu_extras", "blf", "addon_utils", "bl_ui", "imbuf", "freestyle", "aud"}
PURE = ("gazesplat_addon.gaze", "gazesplat_addon.splat", "gazesplat_addon.rig")
# What Blender runs as its main program, and no library.
SCRIPTS = {f"gazesplat_addon/farm/{name}.py" for name in ("doctor", "render_frames", "encode_video")}
# Places that turn whatever happened into one report: the only ones that may catch everything.
BOUNDARIES = {"backend/run.py", "operators/base.py"}

PACKAGE_FILES = [ROOT / "__init__.py", *(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))]
ALL_FILES = [*PACKAGE_FILES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "docs").rglob("*.py")),
             *sorted(ROOT.glob("dev.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield (dotted name, is relative); relative names are resolved from the repository root.

    ``from .room import thing`` yields ``room.thing``, which may be a module or a name inside one.
    """
    package = list(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module, False
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= len(package) + 1, f"{name_of(path)} imports from outside the extension"
            base = package[:len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            yield from ((".".join([*base, alias.name]), True) for alias in node.names)


def outside(path: Path) -> set[str]:
    """Top-level names of other packages than ours and the standard library that a file imports."""
    return {name.split(".")[0] for name, relative in imports_of(path) if not relative} - set(sys.stdlib_module_names)


def inside(path: Path) -> list[str]:
    return [name for name, relative in imports_of(path) if relative]


def within(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(room + ".") for room in rooms)


def files_in(*rooms: str) -> list[Path]:
    return [path for path in PACKAGE_FILES if any(path.is_relative_to(ROOT / room.replace(".", "/")) for room in rooms)]


def each(paths: list[Path]):
    return pytest.mark.parametrize("path", paths, ids=name_of)


@each(PACKAGE_FILES)
def test_own_imports_are_relative(path):
    own = {"gazesplat", "bl_ext", *ROOMS}
    assert not {name for name, relative in imports_of(path) if not relative and name.split(".")[0] in own}


@each(files_in("backend.contract"))
def test_contract_is_standard_library_only(path):
    assert not outside(path)
    assert all(within(name, "backend.contract") for name in inside(path))


@each(files_in("backend"))
def test_backend_needs_no_blender(path):
    assert not outside(path) & BLENDER
    for name in inside(path):
        assert within(name, "backend", *PURE), name
        # The zip leaves benchmarks out.
        assert path.is_relative_to(ROOT / "backend" / "bench") or not within(name, "backend.bench"), name


@each(files_in(*PURE))
def test_pure_rooms_need_numpy_at_most(path):
    assert outside(path) <= {"numpy"}
    for name in inside(path):
        assert within(name, *PURE, "backend.contract.errors", "backend.contract.plain_json"), name


@each(files_in("gazesplat_addon.jobs"))
def test_jobs_are_standard_library_only(path):
    assert not outside(path)
    for name in inside(path):
        assert within(name, "gazesplat_addon.jobs", "backend.contract"), name


@each(files_in("backend.setup"))
def test_setup_runs_in_a_python_that_has_nothing(path):
    assert not outside(path)
    assert all(within(name, "backend.setup", "backend.contract", "backend.context") for name in inside(path))


@each(files_in("gazesplat_addon"))
def test_addon_knows_of_the_backend_only_the_contract(path):
    assert outside(path) <= BLENDER | {"numpy"}
    for name in inside(path):
        assert within(name, "gazesplat_addon", "backend.contract"), name


@each(files_in("gazesplat_addon.nodes", "gazesplat_addon.scene"))
def test_scene_does_not_know_its_callers(path):
    for name in inside(path):
        assert not within(name, *(f"gazesplat_addon.{upper}" for upper in ("api", "properties", "preferences", "handlers"))), name


@each(files_in("gazesplat_addon.viewport"))
def test_viewport_stands_on_the_scene(path):
    below = ("viewport", "scene", "nodes", "rig", "splat", "compat")
    for name in inside(path):
        assert within(name, *(f"gazesplat_addon.{room}" for room in below), "backend.contract.errors"), name


@each(files_in("operators"))
def test_operators_call_the_api(path):
    assert outside(path) <= BLENDER
    for name in inside(path):
        assert within(name, "operators", "gazesplat_addon.api", "gazesplat_addon.words", "backend.contract.errors"), name


@each(files_in("panels"))
def test_panels_only_show(path):
    assert outside(path) <= BLENDER
    for name in inside(path):
        assert within(name, "panels", "gazesplat_addon") and not within(name, "gazesplat_addon.api"), name


@each([ROOT / "gazesplat_addon" / "__init__.py"])
def test_addon_package_imports_nothing(path):
    assert [name for name, _ in imports_of(path)] == []


@each(PACKAGE_FILES)
def test_only_compat_decides_by_the_blender_version(path):
    # version_string is free: it is written down with a job, nothing branches on it.
    read = {ast.unparse(node) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}
    assert not read & {"bpy.app.version", "bpy.app.version_file"} or name_of(path) == "gazesplat_addon/compat.py"


@each(files_in("gazesplat_addon"))
def test_library_needs_no_operators_and_no_selection(path):
    if name_of(path) in SCRIPTS:
        return
    used = {ast.unparse(node) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}
    assert not used & {"bpy.ops", "bpy.context.active_object", "bpy.context.object", "bpy.context.selected_objects"}


@each(PACKAGE_FILES)
def test_errors_are_not_swallowed(path):
    if name_of(path) in BOUNDARIES:
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = {ast.unparse(one) for one in ast.walk(node.type)} if node.type else {"everything"}
            raised_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            assert raised_again or not caught & {"everything", "Exception", "BaseException"}, f"line {node.lineno} catches everything"
            assert not all(isinstance(line, ast.Pass) for line in node.body), f"line {node.lineno} swallows an error"


@each(ALL_FILES)
def test_every_file_says_its_licence_and_why_it_exists(path):
    assert path.read_text("utf-8").startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n")
    assert ast.get_docstring(tree_of(path)), "no module docstring"


def test_no_drawer_for_odds_and_ends():
    drawers = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    assert not [name_of(path) for path in PACKAGE_FILES if path.name in drawers]


def test_no_test_folder_shadows_bpy():
    assert not (ROOT / "tests" / "bpy").exists()


def test_developers_script_is_standard_library_only():
    assert not outside(ROOT / "dev.py") - {"gazesplat"}
