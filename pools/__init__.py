"""Work pools: their types, job templates and the worker of `process` pools."""
