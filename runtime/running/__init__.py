"""Executes runs of deployments in separate processes: the runner of workers and of `serve`."""
