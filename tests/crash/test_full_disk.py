"""A disk that is full before the run's end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from databases import ON_SQLITE

SCRIPT = """
import functools

from heliostat.runtime.journal import current

# As the product, only less patient.
current.JournalLimits = functools.partial(current.JournalLimits, incurable_patience_s=1.0)

import flows


def no_room(connection):
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 100}")


current.current_recording().call(lambda db: db.sqlite_write(no_room))
flows.many(3_000)
"""


@ON_SQLITE
def test_a_full_disk_ends_the_script_with_its_reason_and_the_run_can_be_resumed(
    start: Any, run_script: Any, flows: Path, effects: Any, left: Any, ray_cluster: str
) -> None:
    file = flows.with_name("full.py")
    file.write_text(SCRIPT)
    script = run_script(file, HELIOSTAT_RAY_ADDRESS=ray_cluster)
    assert script.ended(40) == 1, script.output
    assert "the disk of the database" in script.output and "is full" in script.output
    assert "ended Completed" not in script.output
    assert left.run().state_type == "RUNNING"
    durable = left.completed("work")
    resumed = start("flow-run", "resume", "@last")
    assert resumed.ended() == 0, resumed.output
    assert left.counts() == {"COMPLETED": 3_001}
    assert [number for number in durable if effects.times()[number] != 1] == []
