"""Carrying out runs of deployments in processes of their own: the runner of workers and of `serve`."""
