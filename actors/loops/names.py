"""The loops by name, for those who choose among them and need not load them."""

from __future__ import annotations

LOOPS = {
    "scheduler": "makes the runs of schedules ahead",
    "late-runs": "marks overdue runs Late, and cancels those that a full deployment lets not wait",
    "pause-expiry": "fails runs that were not resumed in time",
    "cancellation-cleanup": "ends what is left of cancelled runs, and frees slots of ended ones",
    "automations": "evaluates automations and carries out what they ask for",
    "place-events": "tells when pools, queues and deployments are made, changed or ready",
    "event-retention": "removes events that are older than they are kept",
    "reaper": "gives runs of dead executors to new ones",
}
"""What each does, in a few words for people."""
