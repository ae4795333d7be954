# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a Python program that does not survive a socket, a shell, a pickle, executed text, or a file written elsewhere.

    python guarded.py ROOT PLACES CALL hook|no PROGRAM ARGUMENT ...

ROOT is the repository's, PLACES where files may be written (os.pathsep between them, "" = anywhere), CALL the number of the system call
``socket`` (0 = not watched). An audit hook sees what Python does; a seccomp filter ends the process at the first ``socket`` system call,
whoever makes it, native libraries and children included. PROGRAM is a file, a folder, or ``-c`` with text.
"""
from __future__ import annotations

import ctypes
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

ENDED = 97
_PROGRAMS = ("os.system", "os.exec", "os.posix_spawn", "os.startfile", "webbrowser.open", "urllib.Request")
_SHELLS = ("sh", "bash", "dash", "zsh", "cmd", "cmd.exe", "powershell.exe")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def kill_at_socket_call(number: int) -> None:
    """Install a BPF program (linux/filter.h): load the call's number; if it is ours, kill the process; else allow."""
    class Instruction(ctypes.Structure):
        _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint32)]

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction))]
    lines = (Instruction * 4)(Instruction(0x20, 0, 0, 0), Instruction(0x15, 0, 1, number),
                              Instruction(0x06, 0, 0, 0x80000000), Instruction(0x06, 0, 0, 0x7FFF0000))
    libc = ctypes.CDLL(None, use_errno=True)
    PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Program(4, lines)), 0, 0):
        sys.exit("no seccomp here: " + os.strerror(ctypes.get_errno()))


class Guard:
    """An audit hook; ``ours`` are folders of our own code."""

    def __init__(self, root: str, places: str) -> None:
        self.ours = tuple(f"{Path(root) / room}{os.sep}" for room in ("backend", "gazesplat_addon"))
        self.places = tuple(filter(None, places.split(os.pathsep)))

    def __call__(self, event: str, arguments: tuple) -> None:
        what = self.complaint(event, arguments)
        if what:
            sys.stderr.write(f"{what}: {event} {arguments!r}\n"[:600])
            sys.stderr.flush()
            os._exit(ENDED)

    def complaint(self, event: str, arguments: tuple) -> str:
        """Return what is wrong with an event, "" for nothing."""
        if event.startswith("socket.") and event != "socket.gethostname":
            return "a socket was opened from Python"
        if event in _PROGRAMS:
            return "a program was started behind our back"
        if event == "subprocess.Popen":
            shell = isinstance(arguments[1], (str, bytes)) or Path(os.fsdecode(arguments[0])).name in _SHELLS
            return "a shell was started" if shell else ""
        if event == "pickle.find_class":     # numba keeps kernels that it has compiled as pickles of its own
            return "" if "numba" in next(self.callers(), "") else "a pickle was read"
        if event in ("exec", "compile"):
            return "text was executed" if next(self.callers(), "").startswith(self.ours) else ""
        return "something was written elsewhere" if self.writes_elsewhere(event, arguments) else ""

    @staticmethod
    def callers() -> Iterator[str]:
        """Yield the files of who asked, nearest first, without this hook and the module pickle."""
        frame = sys._getframe()
        while frame is not None:
            name = frame.f_code.co_filename
            if name != __file__ and not name.endswith(os.sep + "pickle.py"):
                yield name
            frame = frame.f_back

    def writes_elsewhere(self, event: str, arguments: tuple) -> bool:
        """Return whether an event makes or changes a file outside the places; Python's compiled modules lie beside their sources."""
        opened = event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & _WRITES
        if not self.places or not (opened or event in ("os.mkdir", "os.rename")):
            return False
        path = os.path.realpath(os.fsdecode(arguments[event == "os.rename"]))
        name = Path(path).name
        compiled = ".pyc" in name or name == "__pycache__"
        return not (compiled or path == os.devnull or path.startswith(self.places))


def main(root: str, places: str, call: str, hook: str, *program: str) -> None:
    if int(call):
        kill_at_socket_call(int(call))
    sys.argv[:] = program
    if hook == "hook":
        sys.addaudithook(Guard(root, places))
    if program[0] == "-c":
        exec(program[1], {"__name__": "__main__"})
    else:
        runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
