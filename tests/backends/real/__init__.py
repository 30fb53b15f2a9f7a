"""Real servers behind the gateway: scripts that install and start them, and what each can do."""
