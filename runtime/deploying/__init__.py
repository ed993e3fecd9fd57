"""From a flow in a file to a deployment on a server, and from a deployment to a run."""
