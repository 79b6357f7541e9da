"""The seam to the engine that runs the model."""
