"""How good a model is, how sure that is, and whether two models differ."""
