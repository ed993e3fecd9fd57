"""Schedules by interval, cron expression and recurrence rule, on the wall clock."""
