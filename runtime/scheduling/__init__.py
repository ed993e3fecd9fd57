"""When something is due: schedules by interval, cron expression and recurrence rule, on the wall clock."""
