"""What `benchmarks/live.py` and `benchmarks/soak.py` share: stamped avatars, a server process, readers, a probe."""
