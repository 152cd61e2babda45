"""Wrong copies of the course's kernels: the checker names each mistake, or the comparator sees wrong values."""
