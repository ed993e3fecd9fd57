"""Who keeps a run alive: the supervision tree on Ray."""
