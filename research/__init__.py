"""The study: where models are trained, evaluated and compared."""
