"""The mail pages, one module each: a page reads what its template shows, and nothing else."""
