"""The client of the API, for users' code, the command line and workers."""
