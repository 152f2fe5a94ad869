"""Renews dashboard.png, the page of `lastgood dashboard` in a prepared outage: make pictures."""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from pathlib import Path

from certs.dev_ca import write_pair
from tests.cli.dashboard.prepared import Fleet
from tests.make.browser import chromium, dashboard, looking
from tests.make.standin import installed

PICTURE = Path(__file__).with_suffix(".png")
SIZE = (1120, 760)


def main() -> int:
    """Writes the picture; 1 where there is no browser."""
    with tempfile.TemporaryDirectory(prefix="lastgood-picture-") as name:
        write_pair(Path(name), ["localhost"], dt.datetime.now(dt.UTC))  # noqa: TID251 - a certificate of now
        try:
            with chromium() as browser, installed(Path(name)) as server:
                Fleet(server).outage()
                with (
                    dashboard(server.kubeconfig("operator"), "-A") as url,
                    looking(browser, url, SIZE) as page,
                ):
                    page.screenshot(path=PICTURE)
        except RuntimeError as reason:
            print(f"no picture: {reason}", file=sys.stderr)
            return 1
    print(f"{PICTURE.name}: {PICTURE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
