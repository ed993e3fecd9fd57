"""All SQL of Heliostat: tables, migrations, and a file of verbs for each kind of object."""
