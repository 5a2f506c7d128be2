"""The use cases in order: up, train, down, and what lies between; owns clean-up on interrupt."""
