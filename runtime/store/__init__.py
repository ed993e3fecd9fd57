"""The only SQL: tables, migrations and one file of verbs a noun."""
