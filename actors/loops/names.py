"""The names of the loops, so that callers can choose among them without loading them."""

from __future__ import annotations

LOOPS = {
    "scheduler": "makes the runs of schedules ahead",
    "late-runs": "marks overdue runs Late, and cancels those that may not wait for a full deployment",
    "pause-expiry": "fails runs that were not resumed in time",
    "cancellation-cleanup": "ends what is left of cancelled runs, and frees slots of ended ones",
    "automations": "evaluates automations and carries out what they ask for",
    "place-events": "makes the events of pools, queues and deployments",
    "event-retention": "removes events that are older than the retention period",
    "cache-expiry": "removes cached results that have expired",
    "reaper": "gives runs of dead executors to new ones",
}
"""What each loop does, in a few words for people."""
