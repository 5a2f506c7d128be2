"""What happens on a host over SSH: connection, code sync, detached jobs."""
