"""Values that travel: parameters, results, exceptions, and the fingerprints that tell values apart."""
