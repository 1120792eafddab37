"""The load generator: raw sockets, one thread, a process of its own, every answer checked."""
