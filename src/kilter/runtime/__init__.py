"""What turns the crank: the one place where decisions of the engine meet storage, executors, clocks and signals."""
