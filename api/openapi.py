"""Write the description of the API that the pages are typed by: `python -m heliostat.api.openapi FILE`.

After it, `npm run types` in `api/ui` makes types of it. A test compares the file with the routes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .app import create_app


def described() -> str:
    """The description of all routes as text, which is the same on every machine."""
    return json.dumps(create_app("sqlite://").openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(described(), encoding="utf-8")
