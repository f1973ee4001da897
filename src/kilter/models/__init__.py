"""Models of what was observed: arrays in, arrays out. Each file reads beside its paper; none knows a study."""
