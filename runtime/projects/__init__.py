"""Authors' code on its way to where it runs: entrypoints, folders, packages and the steps that fetch them."""
