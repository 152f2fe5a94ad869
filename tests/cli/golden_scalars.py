"""What the real kubectl reads of YAML, and the table of it: `python -m tests.cli.golden_scalars`
asks the kubectl on the PATH and writes golden/scalars.json again from the texts in it.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "golden" / "scalars.json"
REFUSED = "refused"
_HEAD = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\nspec:\n"


def value(text: str) -> str:
    """A manifest's lines with a text as the value of `v`."""
    return "  v: " + text.replace("\n", "\n  ") + "\n"


def key(text: str) -> str:
    """With a text as a member's name."""
    return f"  v:\n    {text}: 1\n"


def ask_kubectl(lines: str) -> Any:  # noqa: ANN401 - any JSON
    """`spec` of an object of an unknown kind, as kubectl sends it; REFUSED where it does not. Needs
    no cluster.
    """
    done = subprocess.run(
        ["kubectl", "annotate", "--local", "-f", "-", "-o", "json", "a=b"],
        input=_HEAD + lines,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout)["spec"] if done.returncode == 0 else REFUSED


def rows() -> dict[str, list[tuple[str, Any]]]:
    """Of `values` and of `keys`: a text, and what kubectl reads or REFUSED."""
    found: dict[str, list[tuple[str, Any]]] = json.loads(TABLE.read_text())
    return found


def main() -> None:
    """Writes the table from the kubectl that is here."""
    parts = []
    for name, made in (("values", value), ("keys", key)):
        lines = [json.dumps([text, _of(ask_kubectl(made(text)))]) for text, _ in rows()[name]]
        parts.append(f'"{name}": [\n' + ",\n".join(lines) + "\n]")
    TABLE.write_text("{" + ",\n".join(parts) + "}\n")


def _of(spec: Any) -> Any:  # noqa: ANN401 - any JSON
    return spec if spec == REFUSED else spec["v"]


if __name__ == "__main__":
    main()
