"""What those who run a server see of it: logs, traces and numbers. Knows nothing of avatars or films."""
