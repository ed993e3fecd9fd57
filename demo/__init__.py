"""`heliostat demo`: a survey of every Python file of the installation that runs it."""
