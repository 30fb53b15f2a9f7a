"""The doctor behind `check`: asks each backend and its models tiny questions, and tells what they can do."""
