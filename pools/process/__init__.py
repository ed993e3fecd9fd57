"""The polling worker of `process` pools."""
