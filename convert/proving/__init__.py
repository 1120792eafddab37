"""Holds a graph against the model that was trained."""
