"""The user's objective: the trial it is handed, how it is called, what it raises, what it is and what it leaves."""
