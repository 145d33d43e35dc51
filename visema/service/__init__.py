"""Films made for those who wait for them: jobs as rows of a database, worker processes, files, limits."""
