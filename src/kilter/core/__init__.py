"""What a study is: parameters, spaces, problems, events, history. NumPy only; no clock, file or global chance."""
