"""Wrong copies of the operators, each of which must turn a test red."""
