# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a person does with a source checkout: set up, demo, test, lint, docs, bench, gui, package.

Needs git, Python 3.11 or newer with pip, and nothing else: each command first makes the environments
it needs under .venv/ (one for the backend, one for each tested Blender, from the bpy module on PyPI).
"""
from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from xml.etree import ElementTree

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

ROOT = Path(__file__).resolve().parent
REQUIREMENTS = ROOT / "backend" / "requirements"
AUDIT_TIMEOUT_S = 120
DEBIAN_PACKAGES = ("libegl1 libgl1 libgl1-mesa-dri libxkbcommon0 libxrender1 libxi6 libsm6 libxxf86vm1 libxfixes3")


@dataclass(frozen=True)
class Environment:
    """A virtual environment: what it is for, which Pythons can carry it (best first), what goes in.

    With a ``part`` it is what is added to the environment of that name, with a stamp of its own: who needs
    only the small set does not wait for the large one, and adding it later installs nothing again.
    """

    name: str
    purpose: str
    pythons: tuple[str, ...]
    installs: tuple[tuple[str, ...], ...]
    proof: str
    part: str = ""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return ROOT / ".venv" / self.name

    @property
    def python(self) -> Path:
        """Its interpreter, which may not exist yet."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def stamp(self) -> Path:
        """The file that says what was installed; an environment without one was interrupted."""
        return self.folder / f"gazesplat-stamp{self.part and '-' + self.part}.txt"


def _files(*names: str) -> tuple[str, ...]:
    return tuple(part for name in names for part in ("-r", str(REQUIREMENTS / name)))


BACKEND = Environment("backend", "the backend", ("3.11", "3.13", "3.12"),
                      (_files("backend.txt", "test.txt"), ("--no-deps", *_files("backend-nodeps.txt"))),
                      "import mediapipe, numba")
# What a video needs is ten times as large; the photo's road does without. The small set's pins hold.
VIDEO = Environment("backend", "the backend's video road", BACKEND.pythons,
                    ((*_files("torch.txt", "video.txt"), "-c", str(REQUIREMENTS / "backend.txt")),),
                    "import torch, pycolmap", part="video")
# Other people's programs that judge ours: schedulers' and auditors'. Apart, so that they change nothing about what is tested.
TOOLS = Environment("tools", "farm jobs and audits", BACKEND.pythons, (_files("test-tools.txt"),), "import openjd.cli, pip_audit")
# bpy exists for one Python per Blender: 4.5 LTS is the floor, 5.2 LTS the newest that is tested.
BLENDERS = (Environment("blender-5.2", "Blender 5.2", ("3.13",), (("bpy==5.2.3", *_files("test-blender.txt")),), "import bpy"),
            Environment("blender-4.5", "Blender 4.5", ("3.11",), (("bpy==4.5.15", *_files("test-blender.txt")),), "import bpy"))

DOCS = Environment("docs", "the guide", ("3.11", "3.13", "3.12"), (("-r", str(ROOT / "docs" / "requirements.txt")),), "import mkdocs")


class Stop(Exception):  # noqa: N818  it ends the command, with words for the person who typed it
    """The command cannot go on; the text says why and what to do."""


# ---------------------------------------------------------------- environments

def find_python(version: str) -> Path | None:
    """Return an interpreter of the version ("3.11") that can make virtual environments, or None."""
    places = [Path(sys.executable), *sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))]
    on_path = shutil.which(f"python{version}")
    if on_path:
        places.append(Path(on_path))
    places += [place for place in (Path(f"/usr/bin/python{version}"), Path(f"/usr/local/bin/python{version}")) if place.exists()]
    commands = [[str(place)] for place in places]
    if shutil.which("py"):
        commands.append(["py", f"-{version}"])
    question = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2], sys.executable)"
    for command in commands:
        answer = subprocess.run([*command, "-c", question], capture_output=True, text=True, check=False)
        found, _, executable = answer.stdout.strip().partition(" ")
        if answer.returncode == 0 and found == version:
            return Path(executable)
    return None


def set_up(environments: list[Environment], jobs: int) -> None:
    """Make or repair the environments, several at a time, then their parts; quick when they are up to date."""
    for parts in (False, True):
        todo = [one for one in environments if bool(one.part) == parts and _stamp(one) != _wanted_stamp(one)]
        with ThreadPoolExecutor(max(1, jobs)) as pool:
            list(pool.map(_make, todo))


def _make(one: Environment) -> None:
    (ROOT / ".venv").mkdir(exist_ok=True)
    with (ROOT / ".venv" / f"{one.name}.lock").open("w", encoding="utf-8") as lock:
        _wait_for(lock, one)
        if _stamp(one) != _wanted_stamp(one):
            _install(one)


def _wait_for(lock: TextIO, one: Environment) -> None:
    """Hold the lock file until it is closed: a second set-up would take a half-made environment for an interrupted one and remove it."""
    for told in itertools.count():
        try:
            if sys.platform == "win32":
                msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if not told:
                say(f"{one.name}: waiting for another set-up")
            time.sleep(0.2)


def _install(one: Environment) -> None:
    base = next(filter(None, map(find_python, one.pythons)), None)
    if base is None:
        raise Stop(f"No Python {' or '.join(one.pythons)} was found, which {one.purpose} needs. Install it (Debian: "
                   f"apt install python{one.pythons[0]} python{one.pythons[0]}-venv, or pyenv install {one.pythons[0]}) and try again.")
    started = time.monotonic()
    stamp, label = one.stamp, "-".join(filter(None, (one.name, one.part)))
    if one.folder.exists() and not stamp.exists() and not one.part:
        shutil.rmtree(one.folder)  # a set-up that was interrupted: nothing in it can be trusted
    stamp.unlink(missing_ok=True)
    say(f"{label}: installing with {base}")
    log = ROOT / ".venv" / f"{label}.log"
    with log.open("w", encoding="utf-8") as output:
        commands = [] if one.python.exists() else [[str(base), "-m", "venv", str(one.folder)]]
        commands += [[str(one.python), "-m", "pip", "install", "--disable-pip-version-check", *what] for what in one.installs]
        commands.append([str(one.python), "-c", one.proof])
        for command in commands:
            if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False).returncode:
                raise Stop(_why_set_up_failed(one, log, command))
    stamp.write_text(_wanted_stamp(one), "utf-8")
    say(f"{label}: ready ({time.monotonic() - started:.0f} s)")


def _why_set_up_failed(one: Environment, log: Path, command: list[str]) -> str:
    tail = "\n".join(log.read_text("utf-8", errors="replace").rstrip().splitlines()[-12:])
    hint = ""
    if command[-1] == one.proof and "cannot open shared object file" in tail:
        hint = f"\nA system library is missing. On Debian or Ubuntu: apt install {DEBIAN_PACKAGES}"
    return f"{one.name}: set-up failed at: {' '.join(command)}\n{tail}\nThe whole log: {log}{hint}"


def _stamp(one: Environment) -> str:
    return one.stamp.read_text("utf-8") if one.stamp.is_file() and one.python.exists() else ""


def _wanted_stamp(one: Environment) -> str:
    """Return a hash of everything that decides what the environment holds."""
    digest = hashlib.sha256(repr(one.pythons).encode())
    for part in (part for what in one.installs for part in what):
        digest.update(Path(part).read_bytes() if part.endswith(".txt") else part.encode())
    return digest.hexdigest()


def possible(environments: Iterable[Environment]) -> list[Environment]:
    """Return those that this machine's Pythons can carry."""
    return [one for one in environments if any(map(find_python, one.pythons))]


def some_blender(jobs: int, version: str = "") -> Environment:
    """Return a Blender environment, set up: the version asked for ("4.5"), else one that is there, else the newest that can be made."""
    asked = [one for one in BLENDERS if one.name.endswith(version)]
    for one in [one for one in asked if _stamp(one) == _wanted_stamp(one)] or possible(asked):
        set_up([one], jobs)
        return one
    raise Stop("Neither Python 3.13 (for Blender 5.2) nor 3.11 (for Blender 4.5) was found. Install one of them and try again.")


# ---------------------------------------------------------------- commands

def command_setup(arguments: argparse.Namespace) -> int:
    """Make every environment this machine's Pythons can carry."""
    found = possible((BACKEND, *BLENDERS))
    for one in (BACKEND, *BLENDERS):
        if one not in found:
            say(f"{one.name}: left out, no Python {' or '.join(one.pythons)} was found")
    if BACKEND not in found or len(found) < 2:
        raise Stop("Too little was found: Python 3.11 or 3.13 is enough for the backend and one Blender.")
    set_up([*found, VIDEO], arguments.j)
    say("Everything is set up: " + ", ".join(one.name for one in found))
    return 0


def command_test(arguments: argparse.Namespace) -> int:
    """Run the suite in every environment; the closing line sums all of it."""
    blenders = [] if arguments.fast else possible(BLENDERS)
    if not blenders and not arguments.fast:
        some_blender(arguments.j)
    set_up([BACKEND, *blenders, *([] if arguments.fast else [VIDEO, TOOLS])], arguments.j)
    runs = [(BACKEND, ["unit"] if arguments.fast else ["unit", "backend", "gui"])]
    # The pure rooms run inside Blender too, with its older numpy.
    runs += [(one, ["unit", "blender", "golden", "e2e"]) for one in reversed(blenders)]
    passed = failed = skipped = 0
    with ThreadPoolExecutor(max(1, arguments.at_once)) as pool:
        for counts in pool.map(lambda run: _run_pytest(*run, arguments.k, live=arguments.at_once < 2), runs):
            passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
    if not (arguments.fast or arguments.k):
        broken = _build_docs(arguments.j)
        passed, failed = passed + (not broken), failed + broken
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


def _run_pytest(one: Environment, folders: list[str], expression: str, *, live: bool) -> tuple[int, int, int]:
    """Run some test folders in one environment; return how many passed, failed and were skipped.

    ``live`` shows what pytest says at once, else when it has ended, so that runs side by side do not mix.
    """
    present = [f"tests/{name}" for name in folders if (ROOT / "tests" / name).is_dir()]
    with tempfile.TemporaryDirectory(prefix="gazesplat-test-") as scratch:
        report = Path(scratch) / "report.xml"
        command = [str(one.python), "-m", "pytest", "-q", f"--junit-xml={report}", *present]
        if expression:
            command += ["-k", expression]
        say(f"\n{one.purpose}: {' '.join(present)}")
        with (Path(scratch) / "output.txt").open("w+", encoding="utf-8", errors="replace") as output:
            heard = {} if live else {"stdout": output, "stderr": subprocess.STDOUT}
            code = subprocess.run(command, cwd=ROOT, env=_environment(scratch), check=False, **heard).returncode
            output.seek(0)
            if not live:
                say(f"\n{one.purpose}:\n{output.read().rstrip()}")
        if not report.is_file():
            say(f"{one.purpose}: the tests ended early (exit code {code})")
            return 0, 1, 0
        suite = ElementTree.parse(report).getroot().find("testsuite")
    total, errors, failures, skipped = (int(suite.get(name)) for name in ("tests", "errors", "failures", "skipped"))
    failed = errors + failures
    no_tests_collected = 5
    if code not in (0, no_tests_collected) and not failed:
        say(f"{one.purpose}: every test passed, but the process ended with exit code {code}")
        failed = 1
    return max(0, total - errors - failures - skipped), failed, skipped


def command_demo(arguments: argparse.Namespace) -> int:
    """Photo -> portrait -> rigged .blend -> clip."""
    out = arguments.out.absolute()
    with step("set up"):
        set_up([BACKEND], arguments.j)
        blender = some_blender(arguments.j)
    with step("photo to portrait"):
        portrait = _reconstruct(arguments.photo, out)
    with step(f"scene, rig, motion and {arguments.frames} frames in {blender.purpose}"), tempfile.TemporaryDirectory() as profile:
        command = [str(blender.python), str(ROOT / "docs" / "examples" / "demo_scene.py"), "--portrait", str(portrait),
                   "--out", str(out), "--frames", str(arguments.frames), "--engine"]
        code = subprocess.run([*command, arguments.engine], cwd=ROOT, env=_environment(profile), check=False).returncode
        if code not in (0, 1) and arguments.engine == "eevee":
            say("  Blender ended without a word: EEVEE needs OpenGL. Once more with Cycles, which needs none.")
            code = subprocess.run([*command, "cycles"], cwd=ROOT, env=_environment(profile), check=False).returncode
        if code:
            raise Stop(f"The scene could not be made or rendered: see above, and {out / 'blender.log'}.")
    say(f"\nThe results are in {out}:")
    for path in sorted(out.iterdir()):
        files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        what = "" if path.is_file() else f"{len(files)} files, "
        say(f"  {path.name}  ({what}{sum(one.stat().st_size for one in files) / 1e6:.1f} MB)")
    return 0


def _reconstruct(photo: Path, out: Path) -> Path:
    """Make a portrait of a photo as anybody can without Blender; return its folder inside ``out``."""
    portrait = out / "portrait"
    shutil.rmtree(portrait, ignore_errors=True)
    command = [str(BACKEND.python), "-I", str(ROOT / "backend"), "reconstruct", str(photo), "--out", str(portrait)]
    if subprocess.run(command, check=False).returncode:
        raise Stop("No portrait was made: see above.")
    for name, seconds in json.loads((portrait / "metrics.json").read_text("utf-8"))["stage_seconds"].items():
        say(f"  {name}: {seconds:.1f} s")
    return portrait


def command_lint(arguments: argparse.Namespace) -> int:
    """Check the style with ruff, and what is depended on against known faults where the network reaches their list."""
    set_up([BACKEND], arguments.j)
    fix = ["--fix"] if arguments.fix else []
    style = subprocess.run([str(BACKEND.python), "-m", "ruff", "check", *fix, "."], cwd=ROOT, check=False).returncode
    return style or _audit(arguments.j, must=arguments.audit)


def _audit(jobs: int, *, must: bool) -> int:
    """Look every pinned package up in the list of known faults, say plainly what could not be, and return 1 where there are faults.

    With ``must`` a package that could not be looked up counts as one; without, style can be checked where the list is out of reach.
    """
    answer = _ask_auditor(jobs)
    if isinstance(answer, str):
        packages, reason = [], answer
    else:
        packages, reason = answer, ""
    asked = [one for one in packages if "vulns" in one]
    unknown = [one for one in packages if "vulns" not in one]
    faults = [f"{one['name']} {one['version']}: {fault['id']}" for one in asked for fault in one["vulns"]]
    if not asked:
        why = unknown[0]["skip_reason"] if unknown else "there are none"
        reason = reason or f"none of the {len(unknown)} packages could be looked up: {why}"
        say(f"Known faults of packages: NOT CHECKED, {reason[:200]}. Run this again where the list can be reached.")
    else:
        say(f"Known faults of packages: {len(faults)} in {len(asked)}"
            + (f"; NOT CHECKED: {', '.join(sorted(one['name'] for one in unknown))}" if unknown else ", which is all") + ".")
    for fault in faults:
        say(f"  {fault}")
    return 1 if faults or (must and (unknown or not asked)) else 0


def _ask_auditor(jobs: int) -> list[dict] | str:
    """Return what pip-audit says of every pinned package, or why it says nothing."""
    pinned = _files(*(f"{name}.txt" for name in ("backend", "backend-nodeps", "torch", "video", "test", "test-blender")))
    try:
        set_up([TOOLS], jobs)
    except Stop:
        return "the auditor could not be installed here"
    command = [str(TOOLS.python), "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off",
               "--timeout", "20"]
    try:
        done = subprocess.run([*command, *pinned], cwd=ROOT, capture_output=True, text=True, check=False, timeout=AUDIT_TIMEOUT_S)
        return list(json.loads(done.stdout)["dependencies"])
    except subprocess.TimeoutExpired:
        return f"there was no answer in {AUDIT_TIMEOUT_S} s"
    except (ValueError, KeyError):
        return f"the list cannot be reached ({(done.stderr.strip().splitlines() or ['no reason was given'])[-1][:160]})"


def command_docs(arguments: argparse.Namespace) -> int:
    """Build the guide into site/; a broken link or a page outside the menu is an error."""
    if _build_docs(arguments.j):
        return 1
    say(f"Open {ROOT / 'site' / 'index.html'}")
    return 0


def _build_docs(jobs: int) -> bool:
    """Build the guide and return whether anything is wrong with it."""
    set_up([DOCS], jobs)
    say("\nthe guide: docs")
    command = [str(DOCS.python), "-m", "mkdocs", "build", "--strict", "--config-file", str(ROOT / "mkdocs.yml")]
    # Not --quiet: that hides warnings from --strict too.
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    say("\n".join(line for line in done.stderr.splitlines() if not line.startswith("INFO")))
    return done.returncode != 0


def command_bench(arguments: argparse.Namespace) -> int:
    """Run backend/bench/NAME.py in the backend's environment, or tests/bench/NAME.py in Blender's."""
    in_blender = ROOT / "tests" / "bench" / f"{arguments.name}.py"
    if in_blender.is_file():
        blender = some_blender(arguments.j, arguments.blender)
        return subprocess.run([str(blender.python), str(in_blender), *arguments.arguments], check=False).returncode
    set_up([BACKEND, VIDEO], arguments.j)
    environment = dict(os.environ)
    if arguments.name == "engine":  # it compares with Blender's own engines
        environment["GAZESPLAT_BENCH_BLENDER"] = str(some_blender(arguments.j, arguments.blender).python)
    if arguments.name == "display" or "--cross-check" in arguments.arguments:  # it measures in them
        set_up(possible(BLENDERS), arguments.j)
    command = [str(BACKEND.python), "-I", str(ROOT / "backend"), "bench", arguments.name, *arguments.arguments]
    return subprocess.run(command, check=False, env=environment).returncode


def command_package(arguments: argparse.Namespace) -> int:
    """Build and validate the extension's zip."""
    say(str(_build_zip(arguments.out.absolute(), arguments.j)))
    return 0


def _build_zip(folder: Path, jobs: int) -> Path:
    """Build the zip with Blender's own tool, which the bpy module brings and which needs no Blender."""
    blender = some_blender(jobs)
    tools = sorted(blender.folder.glob("**/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not tools:
        raise Stop(f"Blender's extension tool is not in {blender.folder}. Remove that folder and try again.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as part:
        for command in (["build", "--source-dir", str(ROOT), "--output-dir", part], ["validate", "{zip}"]):
            archives = [str(path) for path in Path(part).glob("*.zip")]
            filled = [archives[0] if word == "{zip}" else word for word in command]
            done = subprocess.run([str(blender.python), str(tools[-1]), *filled], capture_output=True, text=True, check=False)
            if done.returncode:
                raise Stop(f"The extension tool refused to {command[0]} the zip:\n{done.stdout}{done.stderr}")
        built = next(Path(part).glob("*.zip"))
        return built.replace(folder / built.name)


def command_gui(arguments: argparse.Namespace) -> int:
    """Open a Blender window with the extension, in an empty profile; or drive it by a script."""
    program = arguments.blender or os.environ.get("GAZESPLAT_BLENDER") or shutil.which("blender")
    if not program:
        raise Stop("No Blender was found. Give --blender PATH, set GAZESPLAT_BLENDER, or put blender on the PATH.")
    set_up([BACKEND], arguments.j)
    with tempfile.TemporaryDirectory(prefix="gazesplat-gui-") as scratch:
        archive = _build_zip(Path(scratch), arguments.j)
        env = _environment(scratch)
        install = [program, "--command", "extension", "install-file", "-r", "user_default", "-e", str(archive)]
        if subprocess.run(install, env=env, check=False).returncode:
            raise Stop("Blender did not install the extension: see above.")
        script = ["--python-exit-code", "1", "--python", str(arguments.script.absolute())] if arguments.script else []
        return subprocess.run([program, *script], env=env, check=False).returncode


# ---------------------------------------------------------------- small print

@contextmanager
def step(name: str) -> Iterator[None]:
    """Say what begins, and afterwards how long it took."""
    say(f"{name} ...")
    started = time.monotonic()
    yield
    say(f"{name}: {time.monotonic() - started:.1f} s")


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


def _environment(profile: str) -> dict[str, str]:
    """Return the environment of a Blender that must not see this user's settings, and of its backend."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "BLENDER_USER_RESOURCES": profile, "GAZESPLAT_BACKEND_PYTHON": str(BACKEND.python),
            "GAZESPLAT_TOOLS_PYTHON": str(TOOLS.python)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-j", type=int, default=3, metavar="N", help="environments to install at the same time (default 3)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("setup", help="make every environment this machine can carry")
    test = commands.add_parser("test", help="run the tests")
    test.add_argument("--fast", action="store_true", help="only tests/unit: no Blender, seconds")
    test.add_argument("--at-once", type=int, default=min(2, os.cpu_count() or 1), metavar="N",
                      help="environments to test side by side (default 2); 1 shows each test as it runs")
    test.add_argument("-k", "--k", default="", metavar="EXPRESSION", help="only tests whose names match, as in pytest")
    demo = commands.add_parser("demo", help="from a photo to a rendered clip")
    demo.add_argument("--photo", type=Path, default=ROOT / "docs" / "examples" / "astronaut.png", metavar="FILE")
    demo.add_argument("--frames", type=int, default=72, metavar="N")
    demo.add_argument("--engine", choices=("gazesplat", "eevee", "cycles"), default="gazesplat",
                      help="gazesplat is our own, exact and fast without a GPU; the saved file renders with Blender's own too")
    demo.add_argument("--out", type=Path, default=ROOT / "demo", metavar="FOLDER")
    lint = commands.add_parser("lint", help="check the style")
    lint.add_argument("--fix", action="store_true", help="mend what can be mended")
    lint.add_argument("--audit", action="store_true", help="fail also where known faults of packages cannot be looked up")
    commands.add_parser("docs", help="build the guide into site/")
    bench = commands.add_parser("bench", help="run a benchmark: bench eyes --gt FOLDER")
    bench.add_argument("--blender", default="", choices=("", "5.2", "4.5"), help="of what runs inside Blender: in which")
    bench.add_argument("name", help="a file in backend/bench/ or tests/bench/")
    bench.add_argument("arguments", nargs=argparse.REMAINDER, help="what the benchmark takes")
    gui = commands.add_parser("gui", help="open a Blender window with the extension in an empty profile")
    gui.add_argument("--blender", metavar="PATH", help="a windowed Blender (default: GAZESPLAT_BLENDER, then the PATH)")
    gui.add_argument("--script", type=Path, metavar="FILE", help="a Python script that drives the window, such as tests/gui/*.py")
    package = commands.add_parser("package", help="build the extension's zip")
    package.add_argument("--out", type=Path, default=ROOT / "dist", metavar="FOLDER")
    return parser


def main() -> int:
    """Run one command."""
    arguments = _parser().parse_args()
    try:
        return globals()[f"command_{arguments.command}"](arguments)
    except Stop as reason:
        say(f"\n{reason}")
        return 1


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036  people start this with whatever Python they have
        sys.exit("dev.py needs Python 3.11 or newer; this is " + sys.version.split()[0])
    sys.exit(main())
