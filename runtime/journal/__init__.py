"""What happened, in order: records, numbering, group commit, transports."""
