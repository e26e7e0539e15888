"""Two trainings against each other: traces, verdict, evidence."""
