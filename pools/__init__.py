"""Where a run gets its place: pool types, queues, claims."""
