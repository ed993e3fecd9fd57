"""What every verb stands on: connections, tables, rows, and how either database says things."""
