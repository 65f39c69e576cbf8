"""What was found and what a hand changed: edits, history, replay and hit testing."""
