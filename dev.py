#!/usr/bin/env python3
"""The project's one tool: makes the virtual environment, then serves, tests, checks, locks or measures.

Standard library only, so that a fresh machine needs nothing but Python; the Makefile only calls this file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "seafleet-installed.json"
RUNTIME_LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
OLDEST = (3, 11)
INTERPRETERS = ("python3", "python3.13", "python3.12", "python3.11", "python3.14", "python")


def say(text: str) -> None:
    """Print one line of progress at once, so that it precedes the output of what it announces."""
    print(f"dev: {text}", flush=True)


def fail(text: str) -> NoReturn:
    """End with a message that says what to do next."""
    sys.exit(f"dev: {text}")


# -- the interpreter -------------------------------------------------------------------------------------


def is_new_enough(interpreter: str) -> bool:
    """Answer whether this interpreter runs and is at least the oldest supported version."""
    question = f"import sys, venv; sys.exit(sys.version_info < {OLDEST})"
    try:
        return subprocess.run([interpreter, "-c", question], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def find_python() -> str:
    """Answer the path of an interpreter to build the environment with, never one inside the environment."""
    candidates = [getattr(sys, "_base_executable", sys.executable)]
    candidates += [path for name in INTERPRETERS if (path := shutil.which(name))]
    for candidate in candidates:
        if VENV not in Path(candidate).parents and is_new_enough(candidate):
            return candidate
    fail("Python 3.11 or newer with the venv module is needed (on Debian: apt-get install python3-venv)")


def venv_tool(name: str) -> str:
    """Answer the path of a program of the virtual environment."""
    return str(VENV / "bin" / name)


# -- the virtual environment -----------------------------------------------------------------------------


def digest(path: Path) -> str:
    """Answer the SHA-256 of a file as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def project_digest() -> str:
    """Answer a hash of what pyproject.toml says about installing; settings of tools do not count."""
    import tomllib  # noqa: PLC0415 - an older Python still has to get as far as naming a newer one

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    parts = [project.get("project"), project.get("build-system"), project.get("tool", {}).get("hatch")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_stamp() -> dict[str, str]:
    """Answer what was installed last, or nothing when the environment is new or damaged."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def wanted_stamp(dev: bool) -> dict[str, str]:
    """Answer what an up-to-date environment would have recorded."""
    lock = DEV_LOCK if dev else RUNTIME_LOCK
    kind = "dev" if dev else "runtime"
    return {kind: digest(lock), "project": project_digest(), "root": str(ROOT)}


def is_current(dev: bool) -> bool:
    """Answer whether the environment holds what the lock asks; the dev lock contains the runtime one."""
    stamp = read_stamp()
    if not dev and "dev" in stamp:
        return is_current(dev=True)
    return all(stamp.get(key) == value for key, value in wanted_stamp(dev).items())


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep two runs from building the same environment together."""
    with (ROOT / ".venv.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make_venv() -> None:
    """Create the environment unless a working one of a supported version is there, at this very place."""
    stamp = read_stamp()
    in_place = stamp.get("root", str(ROOT)) == str(ROOT)
    if in_place and is_new_enough(venv_tool("python")):
        return
    interpreter = find_python()
    say(f"creating .venv with {interpreter}")
    if subprocess.run([interpreter, "-m", "venv", "--clear", str(VENV)], check=False).returncode != 0:
        fail("could not create .venv; on Debian the package python3-venv is needed")


def run_quietly(command: list[str], purpose: str) -> None:
    """Run a program and show its output only when it fails, which ends this run too."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        print(done.stdout.decode(errors="replace"), file=sys.stderr)
        fail(f"{purpose} failed; the output above says why (is a package index reachable?)")


def install(dev: bool) -> None:
    """Install the locked packages, each checked against its hash, then the project itself as editable."""
    lock = DEV_LOCK if dev else RUNTIME_LOCK
    count = len(re.findall(r"^[a-z0-9].*==", lock.read_text(), re.MULTILINE))
    say(f"installing {count} packages from {lock.name} (the first time this takes half a minute)")
    pip = [venv_tool("python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
    run_quietly([*pip, "--require-hashes", "-r", str(lock)], f"installing {lock.name}")
    run_quietly([*pip, "--no-build-isolation", "--editable", str(ROOT)], "installing the project itself")
    STAMP.write_text(json.dumps(wanted_stamp(dev)))


def ensure_venv(dev: bool) -> None:
    """Bring the environment up to date; does nothing when neither a lock nor pyproject.toml changed."""
    if is_current(dev) and is_new_enough(venv_tool("python")):
        return
    with one_at_a_time():
        if is_current(dev) and is_new_enough(venv_tool("python")):
            return
        started = time.monotonic()
        make_venv()
        install(dev or "dev" in read_stamp())
        say(f".venv is ready after {time.monotonic() - started:.0f} s")


# -- commands --------------------------------------------------------------------------------------------


def run(command: Sequence[str]) -> int:
    """Run one program in the project's root and answer its exit status; Ctrl-C is left to the program."""
    process = subprocess.Popen(list(command), cwd=ROOT)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def cmd_setup(_args: list[str]) -> int:
    """make or refresh .venv with everything that development needs"""
    ensure_venv(dev=True)
    say(f"ready: {venv_tool('python')}")
    return 0


def cmd_serve(args: list[str]) -> int:
    """start the server (data in ./seafleet-data unless told otherwise)"""
    ensure_venv(dev=False)
    return run([venv_tool("seafleet"), "serve", *args])


def cmd_test(args: list[str]) -> int:
    """run the tests; arguments go to pytest, without any the whole suite runs on all cores"""
    ensure_venv(dev=True)
    return run([venv_tool("python"), "-m", "pytest", *(args or ["-n", "auto", "--dist", "worksteal"])])


def check_steps() -> list[tuple[str, list[str]]]:
    """Answer the static checks as (name, command), slowest first."""
    python = venv_tool("python")
    code = [path for path in ("src", "tests", "tools", "benchmarks", "dev.py") if (ROOT / path).exists()]
    return [
        ("types", [venv_tool("mypy"), *code]),
        ("format", [venv_tool("ruff"), "format", "--check", "--output-format", "concise", *code]),
        ("lint", [venv_tool("ruff"), "check", "--output-format", "concise", *code]),
        ("architecture", [python, "-m", "tools.check_imports"]),
        ("routes", [python, "-m", "tools.check_routes"]),
        ("lock", [python, "-m", "tools.check_lock"]),
    ]


def run_step(step: tuple[str, list[str]]) -> bool:
    """Run one check quietly, print its verdict and, when it failed, its output."""
    name, command = step
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    passed = done.returncode == 0
    verdict = "ok" if passed else "FAILED"
    output = "" if passed else "\n" + done.stdout.decode(errors="replace").rstrip()
    say(f"{name:<13} {verdict:<7} {time.monotonic() - started:5.1f} s{output}")
    return passed


def cmd_check(_args: list[str]) -> int:
    """format, lint, types, architecture, routes, lock: all of them, whichever fails"""
    ensure_venv(dev=True)
    with ThreadPoolExecutor(max_workers=2) as pool:
        passed = list(pool.map(run_step, check_steps()))
    say("all checks passed" if all(passed) else f"{passed.count(False)} of {len(passed)} checks failed")
    return 0 if all(passed) else 1


def find_uv(scratch: Path) -> str:
    """Answer a uv to resolve with: the one on the path, else one installed into a scratch environment."""
    if found := shutil.which("uv"):
        return found
    say("installing uv for this run")
    subprocess.run([find_python(), "-m", "venv", str(scratch)], check=True)
    pip = [str(scratch / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "uv"], check=True)
    return str(scratch / "bin" / "uv")


def cmd_lock(args: list[str]) -> int:
    """resolve pyproject.toml into the two lock files; --upgrade takes newer releases"""
    common = ["--universal", "--generate-hashes", "--python-version", "3.11", "--no-annotate", "--quiet"]
    common += ["--custom-compile-command", "python3 dev.py lock", "--extra", "build", *args]
    with tempfile.TemporaryDirectory() as scratch:
        compile_command = [find_uv(Path(scratch) / "uv"), "pip", "compile", "pyproject.toml", *common]
        status = run([*compile_command, "--output-file", RUNTIME_LOCK.name])
        dev = ["--extra", "dev", "--constraint", RUNTIME_LOCK.name, "--output-file", DEV_LOCK.name]
        status = status or run([*compile_command, *dev])
    if status == 0:
        say("requirements.lock and requirements-dev.lock are written; run: python3 dev.py setup")
    return status


def cmd_bench(args: list[str]) -> int:
    """run benchmarks/NAME.py for each NAME given, or list what there is"""
    scripts = {
        path.stem: path
        for path in sorted(ROOT.glob("benchmarks/*.py"))
        if path.stem not in ("__init__", "rig", "wire")
    }
    if not args:
        say(f"name one of: {', '.join(scripts) or '(none yet)'}")
        return 0
    if unknown := [name for name in args if name not in scripts]:
        fail(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(scripts) or 'none'}")
    ensure_venv(dev=True)
    return max(run([venv_tool("python"), "-m", f"benchmarks.{name}"]) for name in args)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "setup": cmd_setup,
    "serve": cmd_serve,
    "test": cmd_test,
    "check": cmd_check,
    "lock": cmd_lock,
    "bench": cmd_bench,
}


def usage() -> str:
    """Answer the help text: one line per command, taken from its docstring."""
    lines = [f"  {name:<7} {command.__doc__}" for name, command in COMMANDS.items()]
    return "usage: python3 dev.py COMMAND [arguments]\n\n" + "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run one command; with none, or an unknown one, print the help."""
    if sys.version_info < OLDEST:
        interpreter = find_python()
        os.execv(interpreter, [interpreter, str(ROOT / "dev.py"), *argv])
    if not argv or argv[0] in ("help", "-h", "--help"):
        print(usage())
        return 0
    if argv[0] not in COMMANDS:
        print(usage(), file=sys.stderr)
        return 2
    return COMMANDS[argv[0]](argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
