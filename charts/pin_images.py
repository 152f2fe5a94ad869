"""Makes the chart of a release: the same chart, whose values name the images that were pushed, by
digest.

Usage: python charts/pin_images.py --repository registry.example.com/lastgood- --digests FOLDER --to
FOLDER

`--digests` has a file per image, named `agent`, `webhook` and `controller`: the digest of what was
pushed (`make push` writes them). `--to` is where the chart goes; what is there is replaced.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "lastgood"
IMAGES = ("agent", "webhook", "controller")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class PinError(ValueError):
    """A chart that can't be made; the message says why. Caught by main, which prints it."""


def main() -> int:
    """Exit code 0, or 1 with the reason on standard error."""
    arguments = _arguments()
    try:
        digests = read_digests(arguments.digests)
        text = (CHART / "values.yaml").read_text(encoding="utf-8")
        pinned = pin(text, arguments.repository, digests)
        shutil.rmtree(arguments.to, ignore_errors=True)
        shutil.copytree(CHART, arguments.to)
        (arguments.to / "values.yaml").write_text(pinned, encoding="utf-8")
    except (PinError, OSError) as error:
        print(f"pin_images: {error}", file=sys.stderr)
        return 1
    return 0


def read_digests(folder: Path) -> dict[str, str]:
    """The digest of each image. PinError: a file does not hold one."""
    found = {name: (folder / name).read_text(encoding="utf-8").strip() for name in IMAGES}
    for name, digest in found.items():
        if DIGEST.fullmatch(digest) is None:
            raise PinError(f"{folder / name} holds no digest such as sha256:… but {digest[:80]!r}")
    return found


def pin(text: str, repository: str, digests: dict[str, str]) -> str:
    """`values.yaml` with repository and digest of each image; every other line stays, comments too.

    `repository` comes before each image's name. PinError: the file lacks a key that is set.
    """
    wanted: dict[str, Any] = yaml.safe_load(text)
    for name in IMAGES:
        image = {"repository": repository + name, "tag": "", "digest": digests[name]}
        wanted[name]["image"].update(image)
        for key in ("repository", "digest"):
            text = _set(text, name, key, image[key])
    if yaml.safe_load(text) != wanted:
        raise PinError("values.yaml lacks repository or digest of an image where they are expected")
    return text


def _set(text: str, name: str, key: str, value: str) -> str:
    """The first `key` of the section `name` at the depth of an image's."""
    line = re.compile(rf"(^{name}:\n(?:(?!\w).*\n)*?    {key}: ).*$", re.MULTILINE)
    return line.sub(lambda found: f'{found[1]}"{value}"', text, count=1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The chart of a release, with images by digest.")
    parser.add_argument("--repository", required=True, help="what comes before each image's name")
    parser.add_argument("--digests", type=Path, required=True, help="a file per image")
    parser.add_argument("--to", type=Path, required=True, help="where the chart goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
