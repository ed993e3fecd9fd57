"""What all verbs use: connections, tables, rows, and the differences between the two databases."""
