"""What a journal tells afterwards: reports, traces and reasons. Reads journals, writes nothing, sends nothing."""
