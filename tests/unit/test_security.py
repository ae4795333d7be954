# SPDX-License-Identifier: GPL-3.0-or-later
"""What SECURITY.md promises about our own code, held by walking the syntax trees."""
from __future__ import annotations

import ast

import pytest

from tests.unit.test_architecture import PACKAGE_FILES, ROOT, files_in, name_of, tree_of

EXECUTING_MODULES = {"pickle", "cPickle", "dill", "shelve", "marshal", "joblib", "yaml", "code"}
EXECUTING_NAMES = {"eval", "exec", "compile", "__import__"}
NETWORK_MODULES = {"socket", "ssl", "http", "urllib", "urllib3", "requests", "ftplib", "smtplib", "xmlrpc", "asyncio", "webbrowser"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
ALL_FILES = [*PACKAGE_FILES, ROOT / "dev.py"]


def calls_in(path):
    return [(node, ast.unparse(node.func)) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]


def modules_of(path) -> set[str]:
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def said(call: ast.Call, keyword: str) -> object:
    return next((ast.literal_eval(one.value) for one in call.keywords if one.arg == keyword and isinstance(one.value, ast.Constant)), None)


@pytest.mark.parametrize("path", ALL_FILES, ids=name_of)
def test_nothing_that_is_read_is_executed(path):
    assert not modules_of(path) & EXECUTING_MODULES
    for call, name in calls_in(path):
        assert name not in EXECUTING_NAMES, f"line {call.lineno}"
        if name in ("np.load", "numpy.load"):
            assert said(call, "allow_pickle") is False, f"line {call.lineno}: np.load must say allow_pickle=False"
        if name == "torch.load":
            assert said(call, "weights_only") is True, f"line {call.lineno}: torch.load must say weights_only=True"


@pytest.mark.parametrize("path", ALL_FILES, ids=name_of)
def test_no_program_is_started_through_a_shell(path):
    for call, name in calls_in(path):
        assert name not in SHELLS, f"line {call.lineno}"
        assert not any(one.arg == "shell" for one in call.keywords), f"line {call.lineno}"


@pytest.mark.parametrize("path", files_in("backend", "gazesplat_addon.jobs", "gazesplat_addon.splat", "gazesplat_addon.rig"), ids=name_of)
def test_the_backend_and_the_readers_know_no_network(path):
    used = modules_of(path) & NETWORK_MODULES
    assert not used or name_of(path) in ALLOWED, used


# None: set-up goes through pip, a program of its own.
ALLOWED: set[str] = set()


def test_the_promise_is_written_down():
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    for promise in ("no socket", "no pickle", "No shell", "bounded before memory"):
        assert promise in text
