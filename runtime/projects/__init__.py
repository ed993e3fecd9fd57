"""How authors' code gets to where it runs: entrypoints, folders, packages and the steps that fetch them."""
