"""Pictures of a study: one description of each, made from its history, and three ways to draw it."""
