"""How a flow in a file becomes a deployment on a server, and a deployment a run."""
