"""The serving room: opens sealed models and answers."""
