"""Start groups compared: differences, whether they last, and the time an early start saved."""
