"""Room 2: lease, recognise, answer, acknowledge."""
