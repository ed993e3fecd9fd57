"""Values on their way: parameters, results, exceptions and what tells two of them apart."""
