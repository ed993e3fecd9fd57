"""What all other rooms stand on: clock, ids, errors, settings, private files and threads that live on."""
