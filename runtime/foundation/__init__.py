"""What every other room builds on: clock, ids, errors, settings, private files and long-lived threads."""
