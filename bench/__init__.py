"""The scales: load on a real server, the guard of the latency budget, and the README's model table."""
