# SPDX-License-Identifier: GPL-3.0-or-later
"""The facade: what an artist types in the console, and what every operator calls.

    import bl_ext.user_default.gazesplat as gs
    portrait = gs.reconstruct("selfie.jpg")

Everything works in ``blender -b`` too. Errors are GazeSplatError with ``.code`` and ``.hint``.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import bpy

from ..backend.contract import consent as _consent
from ..backend.contract.errors import GazeSplatError
from ..backend.contract.inputs import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from ..backend.contract.job import QUALITIES
from ..backend.contract.result import GRAFT as _GRAFT
from . import backend_setup, backend_status, known_jobs, live_jobs, reconstruction
from .backend_setup import BackendSetup
from .export import Exported
from .farm import check as _farm_check
from .farm import job as _farm_job
from .farm.finding import FarmCheck
from .gaze.inputs import check_seed
from .live_follow import LiveFollow
from .portrait import Portrait
from .portrait import chosen as _chosen
from .properties import GAZE_STATE_ITEMS, QUALITY_ITEMS, motion_preset_items
from .reconstruction import Reconstruction
from .scene import splat_plate as _plates
from .scene import store

__all__ = ["GAZE_STATE_ITEMS", "PHOTO_SUFFIXES", "QUALITY_ITEMS", "VIDEO_SUFFIXES", "BackendSetup", "Exported", "LiveFollow", "Portrait",
           "Reconstruction", "add_eyes", "check_farm", "load", "load_sample", "motion_preset_items", "portraits", "reconstruct",
           "remove_backend", "remove_splat_plate", "setup_backend", "splat_plate", "write_farm_job"]


_SAMPLE = Path(__file__).with_name("sample")


def reconstruct(photo: str | Path, *, wait: bool = True, name: str | None = None, quality: str = "standard", device: str = "auto",
                seed: int = 0, eye_ruler: dict[str, float] | None = None, focal_px: float | None = None,
                eyes: dict[str, dict] | None = None, num_frames: int | None = None, height: int | None = None, num_iters: int | None = None,
                person: str | None = None, consent: str | None = None, queue: bool = False,
                scene: bpy.types.Scene | None = None) -> Portrait | Reconstruction:
    """Make a portrait from a photo of one face, a video of a head, or a folder of pictures of one, in a process beside Blender.

    wait       True prints the progress, waits and returns the Portrait in ``scene`` (default: the current one);
               False returns at once a job with ``.state .progress .poll() .cancel() .result()``
    queue      with wait=False: let it wait in the panel until the jobs before it are done
    name       of the portrait; default: the photo's
    quality    "draft", "standard" or "high"
    eye_ruler  lengths of this person's eye in metres, where you know them: {"iris_diameter_m": 0.0121}; they set the
               size of the head
    focal_px   the focal length of the whole photo in pixels, where you know it better than its EXIF
    eyes       of a photo: lids and irises as you see them, as ``Portrait.eye_marks`` gives them, any part of them
    device     for a video: "auto", "cpu" or "cuda"
    num_frames, height, num_iters
               for a video: how many frames are used, their shorter side in pixels while training, and how many steps training
               takes; the quality sets what you leave out
    person, consent
               who it shows and what they agreed to: text that travels with the portrait

    Raises GazeSplatError: ``no-backend``, ``no-file``, and whatever the backend finds wrong with the photo
    (``no-face``, ``several-faces``, ...).
    """
    if quality not in QUALITIES:
        raise GazeSplatError("bad-value", f"There is no quality {quality!r}.", f"Choose one of {', '.join(QUALITIES)}.")
    check_seed(seed)
    given = {"eye_ruler": eye_ruler, "focal_px": focal_px, "eyes": eyes, "num_frames": num_frames, "height": height,
             "num_iters": num_iters,
             **_consent.notes({"person": person, "consent": consent})}
    options = {key: value for key, value in given.items() if value is not None}
    job = reconstruction.start(Path(bpy.path.abspath(str(photo))), quality=quality, device=device, seed=seed, options=options,
                               queue=queue and not wait)
    if not wait:
        return job
    job.wait_and_tell()
    return job.result(name=name, scene=scene)


def add_eyes(splats: str | Path, *, photo: str | Path, focal_px: float, world_to_camera: Iterable[Iterable[float]],
             centre_px: tuple[float, float] | None = None, landmarks_px: Iterable[Iterable[float]] | None = None,
             eye_ruler: dict[str, float] | None = None, wait: bool = True, name: str | None = None,
             scene: bpy.types.Scene | None = None) -> Portrait | Reconstruction:
    """Give a splat head from anywhere living eyes, in a process beside Blender: a portrait with a rig, of the size that irises say.

    splats     a PLY or SPZ of a head in any units and axes
    photo      a picture of it from the front with open eyes, for instance a frame that it was trained on, or a rendering
    focal_px, centre_px, world_to_camera
               the picture's camera: focal length and centre (default: the middle) in pixels, and the rigid 4 x 4 matrix from the
               splats' world to an OpenCV camera (x right, y down, z forward)
    landmarks_px
               478 points of MediaPipe's face mesh, where you have them: x, y, z in pixels of the picture
    eye_ruler, wait, name, scene
               as for ``reconstruct``

    Raises GazeSplatError: ``bad-camera``, ``camera-misses-head``, ``no-backend``, ``no-file``, ``no-face``, ...
    """
    view, matrix = Path(bpy.path.abspath(str(photo))), [[float(v) for v in row] for row in world_to_camera]
    given = {"camera": {"focal_px": float(focal_px), "centre_px": centre_px and [float(v) for v in centre_px], "w2c": matrix},
             "landmarks_px": None if landmarks_px is None else [[float(v) for v in row] for row in landmarks_px], "eye_ruler": eye_ruler}
    job = reconstruction.start(Path(bpy.path.abspath(str(splats))), kind=_GRAFT, quality="standard", seed=0, view=view,
                               options={key: value for key, value in given.items() if value is not None})
    if not wait:
        return job
    job.wait_and_tell()
    return job.result(name=name, scene=scene)


def load(path: str | Path, *, name: str | None = None, scene: bpy.types.Scene | None = None) -> Portrait:
    """Bring a portrait into a scene (default: the current one): its portrait.ply, or the folder it lies in.

    ``//`` at the beginning means the folder of the .blend. A PLY without its sidecar files, or an SPZ, becomes a plain splat
    without eyes. Raises GazeSplatError, for instance ``no-file`` or ``bad-ply``.
    """
    given = Path(bpy.path.abspath(str(path)))
    if given.suffix in (".json", ".npz"):  # one of the sidecar files: the portrait is the folder
        given = given.parent
    return Portrait.load(given, name=name, scene=scene)


def load_sample(*, name: str | None = None, scene: bpy.types.Scene | None = None) -> Portrait:
    """Bring the portrait that comes with GazeSplat into a scene (default: the current one): an astronaut, photo by NASA.

    It is a whole portrait, at draft quality, and needs no backend to be rigged, animated and rendered.
    """
    return Portrait.load(_SAMPLE, name=name or "Astronaut", scene=scene)


def portraits(scene: bpy.types.Scene | None = None) -> list[Portrait]:
    """Return the portraits in a scene (default: the current one), by name."""
    return [Portrait(root) for root in store.portraits_in(scene or bpy.context.scene)]


# ---------------------------------------------------------------- jobs

def jobs() -> list[Reconstruction]:
    """Return every job in the jobs folder, oldest first, also those of earlier sessions."""
    return known_jobs.known()


def job(job_id: str) -> Reconstruction:
    """Return one reconstruction by the name of its folder; GazeSplatError ``no-job``."""
    found = live_jobs.find(job_id) or next((one for one in jobs() if one.id == job_id), None)
    if found is None:
        raise GazeSplatError("no-job", f"There is no reconstruction {job_id} any more.", "Its folder was removed: start it again.")
    return found


def shown_jobs() -> list[Reconstruction]:
    """Return the jobs that the panel shows, oldest first, set-ups of the backend among them."""
    return live_jobs.watched()


def show_progress(job: Reconstruction, when_done: Callable[[str], None] | None = None) -> None:
    """Show a running reconstruction in the panel; ``when_done`` is called with its id once it has succeeded."""
    live_jobs.watch(job, when_done)


def dismiss(job_id: str) -> None:
    """Take an ended reconstruction off the panel for good; its folder goes too, unless a finished portrait is in it."""
    ended = job(job_id)
    if not ended.ended:
        raise GazeSplatError("job-running", f"{ended.photo_name} is still being reconstructed.", "Cancel it first.")
    live_jobs.forget(job_id)
    ended.dismiss()


def retry(job_id: str) -> Reconstruction:
    """Let a job that failed, crashed or was cancelled wait for its turn again, and return it; a video goes on from what was trained.

    Show it with ``show_progress``, or call its ``begin()``. GazeSplatError ``job-already-run`` for any other.
    """
    again = job(job_id)
    again.retry()
    return again


def log_text(job_id: str) -> bpy.types.Text:
    """Return the log of a reconstruction as a text of this file, read anew."""
    log = job(job_id).log
    name = f"GazeSplat {job_id}.log"
    text = bpy.data.texts.get(name) or bpy.data.texts.new(name)
    text.from_string(log.read_text("utf-8", errors="replace") if log.is_file() else "The backend has not said anything yet.")
    return text


def doctor() -> dict:
    """Ask the backend what it has and lacks; see ``backend/doctor.py`` for the fields. Takes some seconds."""
    return backend_status.examine()


# ---------------------------------------------------------------- the backend

def setup_backend(*, video: bool = False, python: str | Path | None = None, wheel_folder: str | Path | None = None,
                  repair: bool = False, wait: bool = True) -> Path | BackendSetup:
    """Set up what reconstructs: an environment of packages in the extension's own folder. Blender's Python stays as it is.

    video         also what portraits from videos need, torch and its company: several times as large
    python        a Python 3.11 or 3.13 to make it from; default: Blender's own, or what the preferences say
    wheel_folder  take the packages from .whl files in here, without a network
    repair        compare every installed file with its checksum, and install again what is damaged
    wait          True prints the progress, waits and returns the backend's Python;
                  False returns at once a job with ``.state .progress .poll() .cancel() .result()``

    What was cut off goes on when it is called again. Raises GazeSplatError: ``offline``, ``wrong-python``, ``no-python``,
    ``no-network``, ``wheel-missing``, ``disk-full``, ``no-permission``, ``setup-running``, ``backend-busy``, ``backend-broken``.
    """
    setup = backend_setup.start(video=video, python=_path(python), wheel_folder=_path(wheel_folder), repair=repair)
    if not wait:
        return setup
    setup.wait_and_tell()
    return setup.result()


def remove_backend() -> bool:
    """Remove the environment that ``setup_backend`` made; return whether there was one. Portraits and jobs stay."""
    return backend_setup.remove()


def backend_missing() -> GazeSplatError | None:
    """Return why nothing can be reconstructed yet, with the way out, or None where the backend's Python exists."""
    return backend_status.missing()


def setup_promise(*, video: bool) -> list[str]:
    """Return what ``setup_backend`` would do now, a sentence each."""
    return backend_setup.promise(video=video)


def setup_command(*, video: bool = False) -> str:
    """Return the line that does the same in a terminal."""
    return backend_setup.command(video=video)


def _path(given: str | Path | None) -> Path | None:
    return Path(bpy.path.abspath(str(given))) if given is not None and str(given) else None


# ---------------------------------------------------------------- the splat plate

def splat_plate(scene: bpy.types.Scene | None = None, *, engine: str | None = None) -> list[str]:
    """Let GazeSplat render a scene's portraits and ``engine`` all else, merged by depth; return what was changed, a line each.

    scene    default: the current one
    engine   "cycles" or "eevee"; None keeps the scene's own, Cycles where that is GazeSplat's

    Call it again after portraits were added, or another camera or view was chosen. Raises GazeSplatError ``no-portraits``, ``no-camera``,
    ``bad-value``, ``no-engine``.
    """
    changes = _plates.set_up(scene or bpy.context.scene, engine=engine.upper() if engine is not None else None)
    return [str(change) for change in changes]


def remove_splat_plate(scene: bpy.types.Scene | None = None) -> bool:
    """Take a scene's splat plate out again; return whether there was one."""
    return _plates.remove(scene or bpy.context.scene)


# ---------------------------------------------------------------- farms

def check_farm(scene: bpy.types.Scene | None = None, *, fix: bool = False) -> FarmCheck:
    """Ask whether a machine without GazeSplat, scripts switched off, would render a scene as it is seen here.

    scene    default: the current one
    fix      mend first what can be mended by itself
    """
    return _farm_check.check(scene or bpy.context.scene, fix=fix)


def write_farm_job(folder: str | Path, *, scene: bpy.types.Scene | None = None, start: int | None = None, end: int | None = None,
                   frames_per_task: int = 10, video: bool = True, blender: str = "blender", unchecked: bool = False) -> Path:
    """Write a scene of the saved file as a job of the Open Job Description into ``folder`` and return its template.

    scene            default: the current one
    start, end       frames; default: the scene's
    frames_per_task  how many frames one machine takes at a time
    video            also make a film of the frames when all are there
    blender          the program's name on the machines that render
    unchecked        write it even where the farm doctor finds faults

    AWS Deadline Cloud takes the folder as it is, ``openjd run`` runs it here. The machines need no GazeSplat. Raises GazeSplatError
    ``not-saved``, ``not-for-farms``, ``bad-value``, and what a folder refuses.
    """
    return _farm_job.write_job(scene or bpy.context.scene, Path(bpy.path.abspath(str(folder))), start=start, end=end,
                               frames_per_task=frames_per_task, video=video, blender=blender, unchecked=unchecked)


# ---------------------------------------------------------------- what the artist means

def chosen(active: bpy.types.Object | None, *, scene: bpy.types.Scene) -> Portrait | None:
    """Return the portrait of the active object, else the scene's only one, else None."""
    return _chosen(active, scene)


def portrait_of(part: bpy.types.Object) -> Portrait | None:
    """Return the portrait that an object is a part of, or None."""
    root = store.root_of(part)
    return Portrait(root) if root is not None else None


def watcher_and_target(active: bpy.types.Object | None, selected: Iterable[bpy.types.Object], *,
                       scene: bpy.types.Scene) -> tuple[Portrait | None, bpy.types.Object | None]:
    """Return which portrait shall look and what at: of the selected objects, the one that is no part of a portrait.

    The portrait may be active or only selected; where none is, the scene's only one is meant.
    """
    selected = list(selected)
    inside = [one for one in [active, *selected] if store.root_of(one) is not None]
    outside = [one for one in [active, *selected] if one is not None and one in selected and store.root_of(one) is None]
    watcher = _chosen(inside[0] if inside else None, scene)
    return watcher, outside[0] if outside else None


def camera_of(scene: bpy.types.Scene) -> bpy.types.Object:
    """Return the scene's camera; GazeSplatError ``no-camera``."""
    if scene.camera is None:
        raise GazeSplatError("no-camera", "The scene has no camera.", "Add one, or choose one in the scene's properties.")
    return scene.camera
