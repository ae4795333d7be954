# SPDX-License-Identifier: GPL-3.0-or-later
"""Drops a file onto whatever window lies at a place of the X screen, as a file manager does: the XDND protocol, version 5.

Arguments: x, y from the screen's top left, a file. A process of its own, because Blender's waits for it while it takes the file.
Ends with status 0 once the window has taken it. Needs libX11 and nothing else.
"""
from __future__ import annotations

import ctypes
import sys
import time
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_ubyte, c_uint, c_ulong, c_void_p
from pathlib import Path

LIMIT_S = 30.0
VERSION = 5
SELECTION_REQUEST, SELECTION_NOTIFY, CLIENT_MESSAGE = 30, 31, 33
_WINDOW, _ATOM, _TIME = c_ulong, c_ulong, c_ulong


class ClientMessage(ctypes.Structure):
    """XClientMessageEvent with five longs."""

    _fields_ = [("type", c_int), ("serial", c_ulong), ("send_event", c_int), ("display", c_void_p), ("window", _WINDOW),
                ("message_type", _ATOM), ("format", c_int), ("data", c_long * 5)]


class SelectionRequest(ctypes.Structure):
    """XSelectionRequestEvent."""

    _fields_ = [("type", c_int), ("serial", c_ulong), ("send_event", c_int), ("display", c_void_p), ("owner", _WINDOW),
                ("requestor", _WINDOW), ("selection", _ATOM), ("target", _ATOM), ("property", _ATOM), ("time", _TIME)]


class Selection(ctypes.Structure):
    """XSelectionEvent."""

    _fields_ = [("type", c_int), ("serial", c_ulong), ("send_event", c_int), ("display", c_void_p), ("requestor", _WINDOW),
                ("selection", _ATOM), ("target", _ATOM), ("property", _ATOM), ("time", _TIME)]


class Event(ctypes.Union):
    """XEvent, as far as it is needed."""

    _fields_ = [("type", c_int), ("message", ClientMessage), ("request", SelectionRequest), ("selection", Selection), ("pad", c_long * 24)]


class Drag:
    """One file on its way from a window of ours to the one below the pointer."""

    def __init__(self, path: Path) -> None:
        self.x11 = ctypes.CDLL("libX11.so.6")
        for name, arguments, result in (("XOpenDisplay", [c_char_p], c_void_p), ("XDefaultRootWindow", [c_void_p], _WINDOW),
                                        ("XInternAtom", [c_void_p, c_char_p, c_int], _ATOM)):
            function = getattr(self.x11, name)
            function.argtypes, function.restype = arguments, result
        self.display = c_void_p(self.x11.XOpenDisplay(None))
        self.root = _WINDOW(self.x11.XDefaultRootWindow(self.display))
        self.x11.XCreateSimpleWindow.restype = _WINDOW
        self.ours = _WINDOW(self.x11.XCreateSimpleWindow(self.display, self.root, -10, -10, 1, 1, 0, c_ulong(0), c_ulong(0)))
        self.said = (path.absolute().as_uri() + "\r\n").encode()

    def atom(self, name: str) -> int:
        """Return the number of a name."""
        return self.x11.XInternAtom(self.display, name.encode(), 0)

    def window_at(self, x: int, y: int) -> _WINDOW:
        """Return the topmost window there that takes drops."""
        found, child, there_x, there_y = self.root, _WINDOW(), c_int(), c_int()
        while self.x11.XTranslateCoordinates(self.display, self.root, found, x, y, byref(there_x), byref(there_y), byref(child)):
            if not child.value:
                break
            found = _WINDOW(child.value)
            if self._takes_drops(found):
                return found
        raise LookupError(f"no window at {x}, {y} takes drops")

    def _takes_drops(self, window: _WINDOW) -> bool:
        kind, form, count, left, data = _ATOM(), c_int(), c_ulong(), c_ulong(), POINTER(c_ubyte)()
        self.x11.XGetWindowProperty(self.display, window, _ATOM(self.atom("XdndAware")), c_long(0), c_long(1), 0, _ATOM(0), byref(kind),
                                    byref(form), byref(count), byref(left), byref(data))
        return bool(count.value)

    def tell(self, target: _WINDOW, name: str, *data: int) -> None:
        """Send a message of the protocol, our window first."""
        event = Event()
        event.message = ClientMessage(CLIENT_MESSAGE, 0, 1, self.display, target, self.atom(name), 32, (c_long * 5)(self.ours.value, *data))
        self.x11.XSendEvent(self.display, target, 0, c_long(0), byref(event))
        self.x11.XFlush(self.display)

    def hear(self, name: str) -> ClientMessage:
        """Wait for a message, giving the file's name to whoever asks for it meanwhile."""
        end, event = time.monotonic() + LIMIT_S, Event()
        while time.monotonic() < end:
            if not self.x11.XPending(self.display):
                time.sleep(0.01)
                continue
            self.x11.XNextEvent(self.display, byref(event))
            if event.type == SELECTION_REQUEST:
                self._give(event.request)
            elif event.type == CLIENT_MESSAGE and event.message.message_type == self.atom(name):
                return event.message
        raise TimeoutError(f"no {name}")

    def _give(self, request: SelectionRequest) -> None:
        self.x11.XChangeProperty(self.display, _WINDOW(request.requestor), _ATOM(request.property), _ATOM(request.target), 8, 0,
                                 self.said, len(self.said))
        answer = Event()
        answer.selection = Selection(SELECTION_NOTIFY, 0, 1, self.display, request.requestor, request.selection, request.target,
                                     request.property, request.time)
        self.x11.XSendEvent(self.display, _WINDOW(request.requestor), 0, c_long(0), byref(answer))
        self.x11.XFlush(self.display)

    def drop(self, x: int, y: int) -> bool:
        """Carry the file there and let go; return whether the window took it."""
        target, uris, copy = self.window_at(x, y), self.atom("text/uri-list"), self.atom("XdndActionCopy")
        self.x11.XWarpPointer(self.display, _WINDOW(0), self.root, 0, 0, c_uint(0), c_uint(0), x, y)
        self.x11.XSetSelectionOwner(self.display, _ATOM(self.atom("XdndSelection")), self.ours, _TIME(0))
        self.tell(target, "XdndEnter", VERSION << 24, uris, 0, 0)
        for nudge in (2, 1, 0):
            self.tell(target, "XdndPosition", 0, x - nudge << 16 | y, 0, copy)
            willing = self.hear("XdndStatus").data[1] & 1
        if willing:
            self.tell(target, "XdndDrop", 0, 0, 0, 0)
            self.hear("XdndFinished")
        return bool(willing)


if __name__ == "__main__":
    sys.exit(not Drag(Path(sys.argv[3])).drop(int(sys.argv[1]), int(sys.argv[2])))
