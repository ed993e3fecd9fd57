"""The client of the API: how users' code, the command line and workers ask a Heliostat server."""
