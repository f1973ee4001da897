"""What a study is: parameters, spaces, problems, events, history. NumPy only; no clock, file, thread or global chance."""
