"""What each model costs to run: as its library has it, as a graph, and served."""
