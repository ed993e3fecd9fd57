"""The processes behind `heliostat server start`: a supervisor and its children."""
