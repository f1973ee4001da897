"""Where objectives run: in this thread, in threads, in processes, as commands, or in virtual time."""
