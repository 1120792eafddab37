"""The routes: thin adapters between Litestar and plain functions."""
