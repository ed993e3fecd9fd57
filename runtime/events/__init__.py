"""Events: their records, the filters of searches and streams, and whether an event matches."""
