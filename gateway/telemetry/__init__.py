"""What the gateway says about itself: log lines and numbers. Never bodies, never keys."""
